import { type FileHandle, open, realpath } from 'node:fs/promises';
import { DiffoError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { toFloat32 } from './dtype.js';
import { readHeader, type SafetensorsHeader } from './safetensorsHeader.js';
import type { StoredTensor } from './types.js';

/** The header of a file on this computer: see {@link readHeader}. @throws DiffoError as that, and where it cannot be read */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  try {
    const file = await realpath(path);
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      return await readHeader({ path, file, size, read: (bytes, position) => readFully(handle, bytes, position) });
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

/**
 * Reads one tensor as float32, whatever floating-point type it is stored in (F32, F16, BF16, F64).
 *
 * @returns its elements in row-major order
 * @throws DiffoError for integer tensors, and when the file has changed or cannot be read
 */
export async function readTensor(tensor: StoredTensor): Promise<Float32Array> {
  return toFloat32(await readTensorBytes(tensor), tensor);
}

/** The tensor's bytes as they are in the file: little-endian, row-major. */
export async function readTensorBytes(tensor: StoredTensor): Promise<Uint8Array> {
  try {
    const handle = await open(tensor.file, 'r');
    try {
      const bytes = new Uint8Array(tensor.length);
      const read = await readFully(handle, bytes, tensor.offset);
      if (read < bytes.byteLength) throw cutWhileReading(tensor);
      return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, tensor.file, 'read');
  }
}

export function cutWhileReading(tensor: StoredTensor): DiffoError {
  return new DiffoError(
    `${tensor.file} ends inside tensor "${tensor.name}": it has become shorter since it was opened. Fetch it again.`,
  );
}

/** Fills `bytes` from `position` on; returns fewer bytes only at the end of the file. */
export async function readFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < bytes.byteLength) {
    // One read call is limited to 2 GiB by the system.
    const length = Math.min(bytes.byteLength - done, 1 << 30);
    const { bytesRead } = await handle.read(bytes, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
