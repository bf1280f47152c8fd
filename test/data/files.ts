import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { DiffoError } from '../../src/errors.js';

const made: string[] = [];

/** Removes what `folderOf` has made; test/setup.ts does it after every file of tests. */
export async function removeFolders(): Promise<void> {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
}

/** Writes files into a new temporary folder, sub-folders among their names; returns the folder. */
export async function folderOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'diffora-data-'));
  made.push(folder);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** The DiffoError that a promise ends with; anything else fails the test. */
export async function errorOf(promise: Promise<unknown>): Promise<DiffoError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DiffoError);
  return error as DiffoError;
}
