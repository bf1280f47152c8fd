import type { Primitive } from '../primitive.js';
import { normalizeAxis, sameShape, showShape } from '../shape.js';

/** Joins tensors along an axis whose sizes are static. */
export const concat: Primitive<{ readonly axis: number }> = {
  shape: (inputs, { axis }) => {
    const first = inputs[0]!;
    const at = normalizeAxis(axis, first.shape.length);
    let total = 0;
    for (const { shape } of inputs) {
      const size = shape[at];
      if (typeof size !== 'number') throw new Error(`concat needs a static size along axis ${at}: ${showShape(shape)}`);
      if (!sameShape(shape.toSpliced(at, 1), first.shape.toSpliced(at, 1))) {
        throw new Error(`concat of ${showShape(first.shape)} and ${showShape(shape)} along axis ${at} does not fit`);
      }
      total += size;
    }
    return [{ dtype: first.dtype, shape: first.shape.with(at, total) }];
  },
  derivative: ({ inputs, attrs: { axis }, cotangents: [dy] }, ops) => {
    const at = normalizeAxis(axis, inputs[0]!.shape.length);
    let start = 0;
    return inputs.map((part) => {
      const length = part.shape[at] as number;
      const piece = ops.slice(dy!, { axis: at, start, length });
      start += length;
      return piece;
    });
  },
  emit: ({ inputs, outputs, attrs: { axis } }, onnx) => {
    onnx.node('Concat', inputs, { outputs, attributes: { axis: { int: axis } } });
  },
};
