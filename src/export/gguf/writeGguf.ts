import type { FileHandle } from 'node:fs/promises';
import { DiffoError } from '../../errors.js';
import { writeAtomic, writeFully } from '../../files/atomic.js';
import { bytesOf, encode, encodings, type GgufEncoding, largestOf } from './encodings.js';
import { type GgufMetadata, sized, uint32 } from './values.js';

/** A tensor that is made when its turn comes, so that only one is in memory at a time. */
export interface GgufOutput {
  /** llama.cpp's name of it. */
  readonly name: string;
  /** Row-major, as everywhere here: the file has the sizes the other way round. */
  readonly shape: readonly number[];
  readonly type: GgufEncoding;
  readonly values: () => Promise<Float32Array>;
}

const alignment = 32;
/** Values that are encoded at once: whole blocks of every type. */
const part = 2 ** 20;

/**
 * Writes a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), version 3, little-endian, all or nothing.
 * @throws DiffoError where a file cannot be read or written, or a value does not fit the tensor's type; the reason of `signal`
 *   once it is aborted
 */
export async function writeGguf(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufOutput[],
  signal?: AbortSignal,
): Promise<void> {
  await writeAtomic(path, async (file) => {
    await writePadded(file, [description(metadata, tensors)]);
    for (const tensor of tensors) {
      signal?.throwIfAborted();
      const values = await tensor.values();
      const wanted = tensor.shape.reduce((product, size) => product * size, 1);
      if (values.length !== wanted) throw new Error(`${tensor.name}: ${values.length} values for [${tensor.shape}]`);
      await writePadded(file, encoded(tensor, values, path));
    }
  });
}

function* encoded({ name, type }: GgufOutput, values: Float32Array, path: string): Generator<Uint8Array> {
  const largest = largestOf(type);
  for (let from = 0; from < values.length; from += part) {
    const some = values.subarray(from, from + part);
    const wrong = some.find((value) => !(Math.abs(value) <= largest));
    if (wrong !== undefined) {
      const reason = Number.isFinite(wrong) ? `which ${type} cannot hold. Take --dtype f32` : 'which is no number';
      throw new DiffoError(`${path}: the tensor "${name}" has the value ${wrong}, ${reason}.`);
    }
    yield encode(some, type);
  }
}

async function writePadded(file: FileHandle, parts: Iterable<Uint8Array>): Promise<void> {
  let length = 0;
  for (const bytes of parts) {
    await writeFully(file, bytes);
    length += bytes.byteLength;
  }
  await writeFully(file, new Uint8Array(padded(length) - length));
}

const padded = (length: number) => Math.ceil(length / alignment) * alignment;

/** All before the tensors. */
function description(metadata: GgufMetadata, tensors: readonly GgufOutput[]): Buffer {
  const entries = Object.entries(metadata);
  const parts = [Buffer.from('GGUF'), uint32(3).bytes, uint64(tensors.length), uint64(entries.length)];
  for (const [key, { type, bytes }] of entries) parts.push(sized(key), uint32(type).bytes, bytes);
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    const sizes = shape.toReversed().map(uint64);
    parts.push(sized(name), uint32(shape.length).bytes, ...sizes, uint32(encodings[type].id).bytes, uint64(offset));
    offset += padded(bytesOf(shape, type));
  }
  return Buffer.concat(parts);
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
