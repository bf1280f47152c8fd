import type { Primitive } from '../primitive.js';
import { normalizeAxis } from '../shape.js';

/** How far, along which axis. */
export interface ShiftAttrs {
  readonly axis: number;
  /** Places towards higher indices; negative for lower. */
  readonly by: number;
}

/** x moved along an axis, zeros coming in: y[i] = x[i − by]. The size of the axis may be symbolic. */
export const shift: Primitive<ShiftAttrs> = {
  storage: 'fresh',
  shape: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  derivative: ({ attrs: { axis, by }, cotangents: [dy] }, ops) => [ops.shift(dy!, { axis, by: -by })],
  emit: ({ inputs, outputs, attrs: { axis, by }, inputTypes }, onnx) => {
    const shape = inputTypes[0]!.shape;
    const at = normalizeAxis(axis, shape.length);
    const along = (value: number) => shape.map((_, i) => (i === at ? value : 0));
    const pads = onnx.int64s([...along(Math.max(by, 0)), ...along(Math.max(-by, 0))]);
    const padded = onnx.node('Pad', [inputs[0]!, pads])[0]!;
    const start = Math.max(-by, 0);
    const end = onnx.node('Add', [onnx.sizes([shape[at]!]), onnx.int64s([start])])[0]!;
    onnx.node('Slice', [padded, onnx.int64s([start]), end, onnx.int64s([at])], { outputs });
  },
};
