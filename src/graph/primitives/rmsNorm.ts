import type { Primitive } from '../primitive.js';

/**
 * Root-mean-square normalisation over the last axis (arXiv 1910.07467): x [..., n], scale [n] → y and the inverse
 * root mean square [..., 1], which the derivative needs.
 */
export const rmsNorm: Primitive<{ readonly epsilon: number }> = {
  storage: 'fresh',
  shape: ([x]) => [
    { dtype: 'float32', shape: x!.shape },
    { dtype: 'float32', shape: [...x!.shape.slice(0, -1), 1] },
  ],
  derivative: ({ inputs, outputs, cotangents: [dy, dInverse] }, ops) => {
    const [x, scale] = [inputs[0]!, inputs[1]!];
    const inverse = outputs[1]!;
    const n = x.shape.at(-1) as number;
    const meanOf = (value: typeof x) => ops.scale(ops.sum(value, { axes: [-1], keepDims: true }), 1 / n);
    const normal = ops.mul(x, inverse);
    const parts: (typeof x)[] = [];
    if (dy !== undefined) {
      const dNormal = ops.mul(dy, scale);
      parts.push(ops.mul(ops.sub(dNormal, ops.mul(normal, meanOf(ops.mul(dNormal, normal)))), inverse));
    }
    if (dInverse !== undefined) {
      const slope = ops.scale(ops.mul(inverse, inverse), -1 / n);
      parts.push(ops.mul(normal, ops.mul(dInverse, slope)));
    }
    return [
      parts.reduce((total, part) => ops.add(total, part)),
      dy === undefined ? undefined : ops.sumTo(ops.mul(dy, normal), scale.shape),
    ];
  },
  emit: ({ inputs, outputs: [y, inverse], attrs: { epsilon } }, onnx) => {
    const reads = inverse !== undefined && inverse !== '';
    const isThere = onnx.has(`SimplifiedLayerNormalization${reads ? ' statistics' : ''}`);
    if (!isThere) {
      const [x, scale] = inputs as [string, string];
      const square = onnx.node('Pow', [x, onnx.float(2)]);
      const mean = onnx.node('ReduceMean', square, { attributes: { axes: { ints: [-1] }, keepdims: { int: 1 } } })[0]!;
      const root = onnx.node('Sqrt', onnx.node('Add', [mean, onnx.float(epsilon)]))[0]!;
      const name = reads ? { outputs: [inverse] } : {};
      const factor = onnx.node('Div', [onnx.float(1), root], name)[0]!;
      onnx.node('Mul', [onnx.node('Mul', [x, factor])[0]!, scale], { outputs: [y!] });
      return;
    }
    onnx.node('SimplifiedLayerNormalization', inputs, {
      outputs: [y!, inverse!],
      attributes: { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } },
    });
  },
};
