import { DiffoError } from '../errors.js';
import type { StoredTensor, TensorDType } from './types.js';

/** Bytes an element takes; the order is that of the safetensors library, by alignment, which its writer sorts by. */
export const BYTES_PER_ELEMENT: Readonly<Record<TensorDType, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
};

export function isTensorDType(value: unknown): value is TensorDType {
  return typeof value === 'string' && Object.hasOwn(BYTES_PER_ELEMENT, value);
}

/** Number of elements of a shape: 1 for a scalar `[]`. Infinity or an unsafe integer when it is absurdly large. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Converts little-endian bytes of a stored tensor into float32; F64 is rounded.
 *
 * @param bytes the tensor's bytes, owned by the caller; a F32 result shares them when they are aligned
 * @throws DiffoError when the tensor holds integers or booleans
 */
export function toFloat32(bytes: Uint8Array, tensor: Pick<StoredTensor, 'name' | 'dtype' | 'file'>): Float32Array {
  const count = bytes.byteLength / BYTES_PER_ELEMENT[tensor.dtype];
  switch (tensor.dtype) {
    case 'F32':
      return new Float32Array(aligned(bytes, 4), 0, count);
    case 'F64':
      return Float32Array.from(new Float64Array(aligned(bytes, 8), 0, count));
    case 'BF16':
      return fromBFloat16(new Uint16Array(aligned(bytes, 2), 0, count));
    case 'F16':
      return fromFloat16(new Uint16Array(aligned(bytes, 2), 0, count));
    default:
      throw new DiffoError(
        `${tensor.file}: tensor "${tensor.name}" has type ${tensor.dtype}, where floating-point weights are needed. ` +
          'Quantised or integer weights are not supported: use a checkpoint in F32, F16 or BF16.',
      );
  }
}

/** The bytes as a buffer of their own that starts at 0, which typed arrays of any width accept. */
function aligned(bytes: Uint8Array, width: number): ArrayBuffer {
  const whole = bytes.byteOffset === 0 && bytes.buffer instanceof ArrayBuffer && bytes.byteLength % width === 0;
  return whole ? (bytes.buffer as ArrayBuffer) : new Uint8Array(bytes).buffer;
}

/** bfloat16 is the upper half of a float32. */
function fromBFloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** IEEE 754 binary16 to binary32, by a table of all 65,536 values. */
function fromFloat16(halves: Uint16Array): Float32Array {
  const table = float16Table();
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]!]!;
  return out;
}

let halves: Float32Array | undefined;

/** Value of every binary16 number; made once. */
export function float16Table(): Float32Array {
  if (halves !== undefined) return halves;
  const table = new Float32Array(65_536);
  for (let half = 0; half < table.length; half++) {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) table[half] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[half] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else table[half] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  halves = table;
  return table;
}
