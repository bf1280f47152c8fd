import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { readSafetensorsHeader, readTensor } from '../../checkpoint/safetensors.js';
import { DiffoError } from '../../errors.js';
import { errorCode, fileError } from '../../files/errors.js';
import { firstFault } from '../../files/faults.js';
import { parseJson } from '../../files/jsonText.js';
import type { FoundStage } from '../../state.js';
import {
  checkpointFormat,
  checkpointName,
  fileSha256,
  MANIFEST_FILE,
  type Manifest,
  manifestChecksum,
  manifestSchema,
  STATE_FILE,
  stateFileSchema,
  stepOf,
  TENSORS_FILE,
} from './format.js';

/** A checkpoint as it was read. */
export interface Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  readonly stages: ReadonlyMap<string, FoundStage>;
}

/** Why a checkpoint cannot be used. */
class Unusable extends Error {}

/** Steps of the checkpoints in a folder, the newest first; none where there is no such folder. */
export async function savedSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error): string[] => {
    if (errorCode(error) === 'ENOENT') return [];
    throw fileError(error, folder, 'read');
  });
  return names
    .map(stepOf)
    .filter((step) => step !== undefined)
    .sort((a, b) => b - a);
}

/**
 * The newest checkpoint whose files are what its manifest says. Newer ones that are not are warned of by name.
 * @returns undefined where there is none at all
 * @throws DiffoError when there are some and none can be used, or when they are of another format
 */
export function newestCheckpoint(folder: string, warn: (message: string) => void): Promise<Checkpoint | undefined> {
  return newest(folder, warn, readCheckpoint);
}

/** The manifest of the newest checkpoint that has a readable one. */
export function newestManifest(folder: string): Promise<Manifest | undefined> {
  return newest(folder, () => {}, readManifest);
}

async function newest<T>(
  folder: string,
  warn: (message: string) => void,
  read: (path: string) => Promise<T>,
): Promise<T | undefined> {
  const steps = await savedSteps(folder);
  for (const [i, step] of steps.entries()) {
    const path = join(folder, checkpointName(step));
    try {
      return await read(path);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      const older = steps[i + 1];
      if (older === undefined) {
        throw new DiffoError(
          `Nothing usable is saved in ${folder}: ${error.message}. Start again from the beginning with --overwrite.`,
        );
      }
      warn(`${error.message}; going on from ${checkpointName(older)} before it.`);
    }
  }
  return undefined;
}

async function readCheckpoint(path: string): Promise<Checkpoint> {
  const manifest = await readManifest(path);
  for (const name of [TENSORS_FILE, STATE_FILE] as const) {
    const file = join(path, name);
    const listed = manifest.files.find((one) => one.name === name);
    if (listed === undefined) throw new Unusable(`${join(path, MANIFEST_FILE)} does not list ${name}`);
    const { bytes, sha256 } = listed;
    const found = await stat(file).catch((error) => {
      throw new Unusable(`${file} cannot be read (${errorCode(error)})`);
    });
    if (found.size !== bytes) throw new Unusable(`${file} has ${found.size} bytes and should have ${bytes}`);
    const hash = await fileSha256(file).catch((error) => {
      throw new Unusable(`${file} cannot be read (${errorCode(error)})`);
    });
    if (hash !== sha256) throw new Unusable(`${file} is damaged: its checksum is not that of the manifest`);
  }
  return { path, manifest, stages: await readStages(path) };
}

async function readStages(path: string): Promise<Map<string, FoundStage>> {
  const stateFile = join(path, STATE_FILE);
  const { stages } = formed(stateFileSchema, parsed(await readFile(stateFile, 'utf8'), stateFile), stateFile);
  const arrays = new Map(Object.keys(stages).map((name): [string, Record<string, Float32Array>] => [name, {}]));
  const file = join(path, TENSORS_FILE);
  try {
    const { tensors } = await readSafetensorsHeader(file);
    for (const tensor of tensors.values()) {
      const [stage = '', ...rest] = tensor.name.split('/');
      const own = arrays.get(stage);
      if (own === undefined) throw new Unusable(`${file} has "${tensor.name}", and ${STATE_FILE} no such stage`);
      own[rest.join('/')] = await readTensor(tensor);
    }
  } catch (error) {
    if (!(error instanceof DiffoError)) throw error;
    throw new Unusable(error.message.replace(/\.$/, ''));
  }
  const found = Object.entries(stages).map(([name, { step, last, values }]): [string, FoundStage] => {
    return [name, { step, last, state: { arrays: arrays.get(name)!, values } }];
  });
  return new Map(found);
}

async function readManifest(path: string): Promise<Manifest> {
  const file = join(path, MANIFEST_FILE);
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new Unusable(`${file} cannot be read (${errorCode(error)})`);
  });
  const value = parsed(text, file);
  const manifest = formed(z.looseObject({}), value, file);
  if (manifest.checksum !== manifestChecksum(manifest)) {
    throw new Unusable(`${file} is damaged: its checksum is wrong`);
  }
  if (manifest.format !== checkpointFormat) {
    throw new DiffoError(
      `${file} is of the format ${typeof manifest.format === 'string' ? manifest.format : 'no name'}, and this diffora reads ${checkpointFormat}. Resume with the version of diffora that wrote it, or start again with --overwrite.`,
    );
  }
  return formed(manifestSchema, value, file);
}

/** @throws Unusable that names the file where the text is no JSON */
function parsed(text: string, file: string): unknown {
  try {
    return parseJson(text, (reason) => `${file} is damaged: it is not JSON (${reason})`);
  } catch (error) {
    throw new Unusable(error instanceof Error ? error.message : String(error));
  }
}

/** A value of a known form. @throws Unusable that names the file */
function formed<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  throw new Unusable(`${file} is damaged: ${firstFault(found.error, schema, value)}`);
}
