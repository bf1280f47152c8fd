import type { NoAttrs, Primitive } from '../primitive.js';

/** Softmax over the last axis; dx = y (dy − Σ dy·y). */
export const softmax: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([x]) => [{ dtype: 'float32', shape: x!.shape }],
  derivative: ({ outputs: [y], cotangents: [dy] }, ops) => {
    const mean = ops.sum(ops.mul(dy!, y!), { axes: [-1], keepDims: true });
    return [ops.mul(y!, ops.sub(dy!, mean))];
  },
  emit: ({ inputs, outputs }, onnx) => {
    onnx.node('Softmax', inputs, { outputs, attributes: { axis: { int: -1 } } });
  },
};
