import type { Primitive } from '../primitive.js';
import { type Dim, normalizeAxis, sameShape, showShape } from '../shape.js';

export interface ConcatAttrs {
  readonly axis: number;
  /** Size of the result along the axis, where a part's size is symbolic: sums of symbols have no spelling of their own. */
  readonly size?: Dim;
}

/** Joins tensors along an axis. Where sizes along it are symbolic the result's is given, and there is no derivative. */
export const concat: Primitive<ConcatAttrs> = {
  storage: 'fresh',
  shape: (inputs, { axis, size }) => {
    const first = inputs[0]!;
    const at = normalizeAxis(axis, first.shape.length);
    let total = 0;
    for (const { shape } of inputs) {
      const part = shape[at];
      if (!sameShape(shape.toSpliced(at, 1), first.shape.toSpliced(at, 1))) {
        throw new Error(`concat of ${showShape(first.shape)} and ${showShape(shape)} along axis ${at} does not fit`);
      }
      if (typeof part === 'number') total += part;
      else if (size === undefined) {
        throw new Error(`concat along axis ${at} of ${showShape(shape)} needs the size of the result`);
      }
    }
    return [{ dtype: first.dtype, shape: first.shape.with(at, size ?? total) }];
  },
  derivative: ({ inputs, attrs: { axis }, cotangents: [dy] }, ops) => {
    const at = normalizeAxis(axis, inputs[0]!.shape.length);
    let start = 0;
    return inputs.map((part) => {
      const length = part.shape[at];
      if (typeof length !== 'number') throw new Error('concat of symbolic sizes has no derivative');
      const piece = ops.slice(dy!, { axis: at, start, length });
      start += length;
      return piece;
    });
  },
  emit: ({ inputs, outputs, attrs: { axis } }, onnx) => {
    onnx.node('Concat', inputs, { outputs, attributes: { axis: { int: axis } } });
  },
};
