import type { Primitive } from '../primitive.js';
import { broadcastShapes, type Shape, sameShape, showShape } from '../shape.js';

/** Broadcasts x to a shape. */
export const expand: Primitive<{ readonly shape: Shape }> = {
  storage: 'fresh',
  shape: ([x], { shape }) => {
    if (!sameShape(broadcastShapes(x!.shape, shape), shape)) {
      throw new Error(`${showShape(x!.shape)} does not expand to ${showShape(shape)}`);
    }
    return [{ dtype: x!.dtype, shape }];
  },
  derivative: ({ inputs: [x], cotangents: [dy] }, ops) => [ops.sumTo(dy!, x!.shape)],
  emit: ({ inputs, outputs, attrs: { shape } }, onnx) => {
    onnx.node('Expand', [inputs[0]!, onnx.sizes(shape)], { outputs });
  },
};
