import type { Emitter, NoAttrs, Primitive } from '../primitive.js';

/** Logarithm of softmax over the last axis; dx = dy − e^y Σ dy. */
export const logSoftmax: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([x]) => [{ dtype: 'float32', shape: x!.shape }],
  derivative: ({ outputs: [y], cotangents: [dy] }, ops) => {
    const total = ops.sum(dy!, { axes: [-1], keepDims: true });
    return [ops.sub(dy!, ops.mul(ops.exp(y!), total))];
  },
  emit: ({ inputs, outputs }, onnx) => {
    if (!onnx.has('LogSoftmax')) {
      const { shifted, logSum } = logSumExp(inputs[0]!, onnx);
      onnx.node('Sub', [shifted, logSum], { outputs });
      return;
    }
    onnx.node('LogSoftmax', inputs, { outputs, attributes: { axis: { int: -1 } } });
  },
};

/** x less its largest entry over the last axis, and the logarithm of the sum of its exponentials, that axis kept. */
export function logSumExp(x: string, onnx: Emitter): { readonly shifted: string; readonly logSum: string } {
  const kept = { attributes: { keepdims: { int: 1 } } };
  const last = onnx.int64s([-1]);
  const largest = onnx.node('ReduceMax', [x], { attributes: { ...kept.attributes, axes: { ints: [-1] } } })[0]!;
  const shifted = onnx.node('Sub', [x, largest])[0]!;
  const total = onnx.node('ReduceSum', [onnx.node('Exp', [shifted])[0]!, last], kept);
  return { shifted, logSum: onnx.node('Log', total)[0]! };
}
