import type { Primitive } from '../primitive.js';

/**
 * Layer normalisation over the last axis (arXiv 1607.06450): x [..., n], scale [n], bias [n] → y, mean [..., 1] and
 * inverse standard deviation [..., 1]. The two statistics are outputs because the derivative needs them.
 */
export const layerNorm: Primitive<{ readonly epsilon: number }> = {
  storage: 'fresh',
  shape: ([x]) => {
    const statistic = { dtype: 'float32', shape: [...x!.shape.slice(0, -1), 1] } as const;
    return [{ dtype: 'float32', shape: x!.shape }, statistic, statistic];
  },
  derivative: ({ inputs, outputs, cotangents }, ops) => {
    const [x, scale, bias] = [inputs[0]!, inputs[1]!, inputs[2]!];
    const [, mean, inverseDeviation] = [outputs[0]!, outputs[1]!, outputs[2]!];
    const [dy, dMean, dInverse] = cotangents;
    const n = x.shape.at(-1) as number;
    const meanOf = (value: typeof x) => ops.scale(ops.sum(value, { axes: [-1], keepDims: true }), 1 / n);
    const normal = ops.mul(ops.sub(x, mean), inverseDeviation);
    const parts: (typeof x)[] = [];
    if (dy !== undefined) {
      const dNormal = ops.mul(dy, scale);
      const centred = ops.sub(ops.sub(dNormal, meanOf(dNormal)), ops.mul(normal, meanOf(ops.mul(dNormal, normal))));
      parts.push(ops.mul(centred, inverseDeviation));
    }
    if (dMean !== undefined) parts.push(ops.expand(ops.scale(dMean, 1 / n), x.shape));
    if (dInverse !== undefined) {
      const slope = ops.scale(ops.mul(inverseDeviation, inverseDeviation), -1 / n);
      parts.push(ops.mul(normal, ops.mul(dInverse, slope)));
    }
    return [
      parts.reduce((total, part) => ops.add(total, part)),
      dy === undefined ? undefined : ops.sumTo(ops.mul(dy, normal), scale.shape),
      dy === undefined ? undefined : ops.sumTo(dy, bias.shape),
    ];
  },
  emit: ({ inputs, outputs, attrs: { epsilon } }, onnx) => {
    onnx.node('LayerNormalization', inputs, {
      outputs,
      attributes: { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } },
    });
  },
};
