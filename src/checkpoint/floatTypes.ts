import { elementCount, toFloat32 } from './dtype.js';
import { toBFloat16, toFloat16 } from './halves.js';
import type { Checkpoint } from './types.js';

/** The types that weights are written in, as PyTorch names them. */
export const floatTypes = ['float32', 'bfloat16', 'float16'] as const;
/** A type that weights are written in. */
export type FloatType = (typeof floatTypes)[number];

/** The same as safetensors names them. */
export const storedTypes = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' } as const;

/** float32 values as little-endian bytes of a type, rounded to its nearest values. */
export function bytesAs(values: Float32Array, type: FloatType): Uint8Array {
  const numbers = type === 'float32' ? values : type === 'bfloat16' ? toBFloat16(values) : toFloat16(values);
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** The float32 values of bytes that {@link bytesAs} gave. */
export function valuesOf(bytes: Uint8Array, type: FloatType): Float32Array {
  return toFloat32(bytes, { name: '', file: '', dtype: storedTypes[type] });
}

/** What is left of float32 values in a type. */
export function roundedTo(values: Float32Array, type: FloatType): Float32Array {
  return type === 'float32' ? values : valuesOf(bytesAs(values, type), type);
}

/**
 * The type of a checkpoint's weights: that of most of their numbers, or float32 where config.json says that it is to be
 * loaded so.
 */
export function floatTypeOf({ config, tensors }: Pick<Checkpoint, 'config' | 'tensors'>): FloatType {
  const said = String(config.dtype ?? config.torch_dtype);
  if (said === 'float32' || said === 'float64') return 'float32';
  const counts = new Map<string, number>();
  for (const { dtype, shape } of tensors.values()) counts.set(dtype, (counts.get(dtype) ?? 0) + elementCount(shape));
  const most = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
  return floatTypes.find((type) => storedTypes[type] === most) ?? 'float32';
}
