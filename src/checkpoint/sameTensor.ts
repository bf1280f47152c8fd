import { closeSync, openSync, readSync } from 'node:fs';
import { fileError } from '../files/errors.js';
import type { StoredTensor } from './types.js';

/** Bytes that are compared at a time. */
const PIECE = 1 << 20;

/** True where two tensors hold the same: type, shape and every byte. @throws DiffoError when a file cannot be read */
export function sameTensor(a: StoredTensor, b: StoredTensor): boolean {
  if (a.dtype !== b.dtype || `${a.shape}` !== `${b.shape}` || a.length !== b.length) return false;
  if (a.file === b.file && a.offset === b.offset) return true;
  const [first, second] = [pieces(a), pieces(b)];
  try {
    for (let at = 0; at < a.length; at += PIECE) if (!first.read(at).equals(second.read(at))) return false;
    return true;
  } finally {
    first.close();
    second.close();
  }
}

function pieces({ file, offset, length }: StoredTensor) {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, length));
  const handle = reading(file, () => openSync(file, 'r'));
  return {
    /** The piece from byte `at` of the tensor on, until the next is read. */
    read(at: number): Buffer {
      const wanted = Math.min(PIECE, length - at);
      const got = reading(file, () => readSync(handle, buffer, 0, wanted, offset + at));
      return buffer.subarray(0, got);
    },
    close: () => closeSync(handle),
  };
}

function reading<Result>(file: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw fileError(error, file, 'read');
  }
}
