import { writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { DiffoError } from '../../src/errors.js';

/** Writes a safetensors file from a header of one's own, valid or not. */
export async function writeRaw(path: string, header: unknown, data: Uint8Array): Promise<void> {
  await writeFile(path, rawFile(typeof header === 'string' ? header : JSON.stringify(header), data));
}

export function rawFile(header: string, data: Uint8Array): Buffer {
  const json = Buffer.from(header, 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  return Buffer.concat([length, json, data]);
}

/** The DiffoError that a promise must fail with. */
export async function failure(promise: Promise<unknown>): Promise<DiffoError> {
  const error = await promise.then(
    (value) => `no error: ${JSON.stringify(value)}`,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DiffoError);
  return error as DiffoError;
}

/** A small seeded generator (Numerical Recipes' linear congruence), for repeatable mutations. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
