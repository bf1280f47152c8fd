import { type FileHandle, open } from 'node:fs/promises';
import { writeAtomic, writeFully } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { BYTES_PER_ELEMENT, elementCount } from './dtype.js';
import { bytesAs, type FloatType, storedTypes } from './floatTypes.js';
import { cutWhileReading, readFully } from './safetensors.js';
import type { NamedTensor, StoredTensor, TensorDType } from './types.js';

/** A float tensor that is made when its turn comes, so that only one is in memory at a time. */
export interface ComputedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** What it is rounded to as it is written; float32 by default. */
  readonly as?: FloatType;
  readonly compute: () => Promise<Float32Array>;
}

/** What can be written: a float32 tensor in memory, one still to be computed (in any float type), or one copied as it is from its file. */
export type WritableTensor = NamedTensor | ComputedTensor | StoredTensor;

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
  const sorted = [...tensors].sort(byTypeThenName);
  const header = encodeHeader(sorted, metadata);
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

const TYPE_ORDER = Object.keys(BYTES_PER_ELEMENT);

function byTypeThenName(a: WritableTensor, b: WritableTensor): number {
  const byType = TYPE_ORDER.indexOf(dtypeOf(b)) - TYPE_ORDER.indexOf(dtypeOf(a));
  return byType || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

function dtypeOf(tensor: WritableTensor): TensorDType {
  if ('dtype' in tensor) return tensor.dtype;
  return 'as' in tensor && tensor.as !== undefined ? storedTypes[tensor.as] : 'F32';
}

function bytesIn(tensor: WritableTensor): number {
  if ('data' in tensor) return tensor.data.byteLength;
  return 'compute' in tensor ? elementCount(tensor.shape) * BYTES_PER_ELEMENT[dtypeOf(tensor)] : tensor.length;
}

async function computed({ name, shape, as = 'float32', compute }: ComputedTensor): Promise<Uint8Array> {
  const data = await compute();
  if (data.length !== elementCount(shape)) throw new Error(`tensor "${name}": ${data.length} values for [${shape}]`);
  return bytesAs(data, as);
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function encodeHeader(tensors: readonly WritableTensor[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', metadata);
  let position = 0;
  for (const tensor of tensors) {
    const dtype = dtypeOf(tensor);
    const length = bytesIn(tensor);
    if (length !== elementCount(tensor.shape) * BYTES_PER_ELEMENT[dtype]) {
      throw new Error(`tensor "${tensor.name}": ${length} bytes do not make ${dtype} of shape [${tensor.shape}]`);
    }
    if (entries.has(tensor.name) || tensor.name === '__metadata__') {
      throw new Error(`tensor "${tensor.name}" cannot be written: the name is taken`);
    }
    entries.set(tensor.name, { dtype, shape: tensor.shape, data_offsets: [position, position + length] });
    position += length;
  }
  const text = `{${[...entries].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
  const json = Buffer.from(text, 'utf8');
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, 8);
  return header;
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
