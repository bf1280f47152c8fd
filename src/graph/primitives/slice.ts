import type { Primitive } from '../primitive.js';
import { type Dim, normalizeAxis, showShape } from '../shape.js';

/** Which stretch of which axis. */
export interface SliceAttrs {
  readonly axis: number;
  readonly start: number;
  /** Size of the result along the axis; may be symbolic. */
  readonly length: Dim;
}

/** `length` entries along an axis, from `start` on. */
export const slice: Primitive<SliceAttrs> = {
  storage: 'fresh',
  shape: ([x], { axis, start, length }) => {
    const at = normalizeAxis(axis, x!.shape.length);
    const size = x!.shape[at]!;
    if (start < 0 || (typeof size === 'number' && typeof length === 'number' && start + length > size)) {
      throw new Error(`slice ${start}+${length} runs over axis ${at} of ${showShape(x!.shape)}`);
    }
    return [{ dtype: x!.dtype, shape: x!.shape.map((dim, i) => (i === at ? length : dim)) }];
  },
  derivative: ({ inputs: [x], attrs: { axis, start }, cotangents: [dy] }, ops) => {
    const at = normalizeAxis(axis, x!.shape.length);
    return [ops.pad(dy!, { axis: at, start, size: x!.shape[at]! })];
  },
  emit: ({ inputs, outputs, attrs: { axis, start, length } }, onnx) => {
    const end =
      typeof length === 'number'
        ? onnx.int64s([start + length])
        : onnx.node('Add', [onnx.sizes([length]), onnx.int64s([start])])[0]!;
    onnx.node('Slice', [inputs[0]!, onnx.int64s([start]), end, onnx.int64s([axis])], { outputs });
  },
};
