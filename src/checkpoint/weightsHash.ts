import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '../files/errors.js';
import { readFully } from './safetensors.js';
import type { Checkpoint } from './types.js';

/** Bytes of a tensor that are hashed at its start, its middle and its end. */
const sampleBytes = 4096;

/**
 * Hash of a model: its config.json and for every tensor name, type, shape and 12 KiB of its bytes (start, middle, end;
 * all of it where it has no more). Another model, a fine-tuned or a merged one differs there; a few bytes changed on
 * purpose elsewhere are not seen, and a 7B model takes milliseconds in the place of minutes. Where the folder lies and what
 * it is called is no part of it; the type of the weights is.
 */
export async function weightsHash({ config, metadata, tensors }: Checkpoint): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([config, metadata]));
  const files = new Map<string, FileHandle>();
  try {
    for (const name of [...tensors.keys()].sort()) {
      const { dtype, shape, file, offset, length } = tensors.get(name)!;
      hash.update(JSON.stringify([name, dtype, shape]));
      const handle = files.get(file) ?? (await openFile(file));
      files.set(file, handle);
      const last = Math.max(0, length - sampleBytes);
      const starts = length <= 3 * sampleBytes ? [0] : [0, Math.floor(last / 2), last];
      const bytes = new Uint8Array(length <= 3 * sampleBytes ? length : sampleBytes);
      for (const start of starts) {
        await readFully(handle, bytes, offset + start);
        hash.update(bytes);
      }
    }
  } finally {
    for (const handle of files.values()) await handle.close();
  }
  return hash.digest('hex');
}

const openFile = (file: string): Promise<FileHandle> =>
  open(file, 'r').catch((error) => Promise.reject(fileError(error, file, 'read')));
