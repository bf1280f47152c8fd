import type { Primitive } from '../primitive.js';
import { multiplyDims, type Shape, showShape } from '../shape.js';

/** The same elements in another shape. */
export const reshape: Primitive<{ readonly shape: Shape }> = {
  storage: 'alias',
  shape: ([x], { shape }) => {
    if (multiplyDims(x!.shape) !== multiplyDims(shape)) {
      throw new Error(`cannot reshape ${showShape(x!.shape)} to ${showShape(shape)}: sizes differ`);
    }
    return [{ dtype: x!.dtype, shape }];
  },
  derivative: ({ inputs: [x], cotangents: [dy] }, ops) => [ops.reshape(dy!, x!.shape)],
  emit: ({ inputs, outputs, attrs: { shape } }, onnx) => {
    const symbolic = shape.filter((dim) => typeof dim === 'string').length;
    const target =
      symbolic === 1 ? onnx.int64s(shape.map((dim) => (typeof dim === 'string' ? -1 : dim))) : onnx.sizes(shape);
    onnx.node('Reshape', [inputs[0]!, target], { outputs });
  },
};
