import { type FileHandle, open } from 'node:fs/promises';
import { writeAtomic, writeFully } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { elementCount } from './dtype.js';
import { bytesAs } from './floatTypes.js';
import { cutWhileReading, readFully } from './safetensors.js';
import { bytesOf, type ComputedTensor, layOut, type WritableTensor } from './safetensorsLayout.js';
import type { StoredTensor } from './types.js';

/** Copies go through a buffer of this size, whatever the size of the tensor. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/**
 * Writes a safetensors file, all or nothing (see `writeAtomic`). Stored tensors keep their type and are copied in
 * chunks; `path` may be one of their files. Order as the safetensors library writes it, wider types first, then by
 * name, and the header is padded with spaces to 8 bytes, so that every tensor is aligned.
 *
 * @throws DiffoError where a file cannot be read or written; the reason of `signal` once it is aborted
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<WritableTensor>,
  metadata: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<void> {
  const { header, sorted } = layOut(tensors, metadata);
  await writeAtomic(path, async (file) => {
    await writeFully(file, header);
    for (const tensor of sorted) {
      signal?.throwIfAborted();
      if ('data' in tensor) await writeFully(file, bytesOf(tensor.data));
      else if ('compute' in tensor) await writeFully(file, await computed(tensor));
      else await copyTensor(tensor, file);
    }
  });
}

async function computed({ name, shape, as = 'float32', compute }: ComputedTensor): Promise<Uint8Array> {
  const data = await compute();
  if (data.length !== elementCount(shape)) throw new Error(`tensor "${name}": ${data.length} values for [${shape}]`);
  return bytesAs(data, as);
}

async function copyTensor(tensor: StoredTensor, target: FileHandle): Promise<void> {
  let source: FileHandle;
  try {
    source = await open(tensor.file, 'r');
  } catch (error) {
    throw fileError(error, tensor.file, 'read');
  }
  try {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, tensor.length));
    for (let done = 0; done < tensor.length; ) {
      const part = chunk.subarray(0, Math.min(chunk.byteLength, tensor.length - done));
      if ((await readFully(source, part, tensor.offset + done)) < part.byteLength) throw cutWhileReading(tensor);
      await writeFully(target, part);
      done += part.byteLength;
    }
  } finally {
    await source.close();
  }
}
