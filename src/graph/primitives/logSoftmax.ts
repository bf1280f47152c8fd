import type { NoAttrs, Primitive } from '../primitive.js';

/** Logarithm of softmax over the last axis; dx = dy − e^y Σ dy. */
export const logSoftmax: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([x]) => [{ dtype: 'float32', shape: x!.shape }],
  derivative: ({ outputs: [y], cotangents: [dy] }, ops) => {
    const total = ops.sum(dy!, { axes: [-1], keepDims: true });
    return [ops.sub(dy!, ops.mul(ops.exp(y!), total))];
  },
  emit: ({ inputs, outputs }, onnx) => {
    onnx.node('LogSoftmax', inputs, { outputs, attributes: { axis: { int: -1 } } });
  },
};
