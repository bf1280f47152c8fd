import { joinedBytes } from '../bytes.js';
import { BYTES_PER_ELEMENT, elementCount } from './dtype.js';
import { type FloatType, storedTypes } from './floatTypes.js';
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

/** How a safetensors file begins, and what follows in which order. */
export interface SafetensorsLayout {
  readonly header: Uint8Array;
  readonly sorted: readonly WritableTensor[];
}

/**
 * Lays a file out as the safetensors library does: wider types first, then by name; the header is padded with spaces to
 * 8 bytes, so that every tensor is aligned.
 */
export function layOut(
  tensors: Iterable<WritableTensor>,
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const sorted = [...tensors].sort(byTypeThenName);
  return { header: encodeHeader(sorted, metadata), sorted };
}

/** A whole file of tensors in memory, as bytes. */
export function safetensorsBytes(
  tensors: Iterable<NamedTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const { header, sorted } = layOut(tensors, metadata);
  return joinedBytes([header, ...sorted.map((tensor) => bytesOf((tensor as NamedTensor).data))]);
}

/** The bytes of numbers as this machine has them: little-endian on all that diffora runs on. */
export function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

const utf8 = new TextEncoder();

const TYPE_ORDER = Object.keys(BYTES_PER_ELEMENT);

function byTypeThenName(a: WritableTensor, b: WritableTensor): number {
  const byType = TYPE_ORDER.indexOf(dtypeOf(b)) - TYPE_ORDER.indexOf(dtypeOf(a));
  return byType || compareBytes(utf8.encode(a.name), utf8.encode(b.name));
}

function dtypeOf(tensor: WritableTensor): TensorDType {
  if ('dtype' in tensor) return tensor.dtype;
  return 'as' in tensor && tensor.as !== undefined ? storedTypes[tensor.as] : 'F32';
}

function bytesIn(tensor: WritableTensor): number {
  if ('data' in tensor) return tensor.data.byteLength;
  return 'compute' in tensor ? elementCount(tensor.shape) * BYTES_PER_ELEMENT[dtypeOf(tensor)] : tensor.length;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const differs = a.findIndex((byte, i) => byte !== b[i]);
  return differs < 0 || differs >= b.length ? a.length - b.length : a[differs]! - b[differs]!;
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
  const json = utf8.encode(text);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  return header;
}
