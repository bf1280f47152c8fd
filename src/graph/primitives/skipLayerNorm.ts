import type { Primitive } from '../primitive.js';
import { sameShape, showShape } from '../shape.js';

/**
 * The layer norm of a sum, and the sum: x [..., n], skip [..., n], scale [n], bias [n] → y, x + skip. Made by the pass skipNorms: one
 * kernel in the place of two.
 */
export const skipLayerNorm: Primitive<{ readonly epsilon: number }> = {
  storage: 'fresh',
  shape: ([x, skip]) => {
    if (!sameShape(x!.shape, skip!.shape)) {
      throw new Error(`skipLayerNorm cannot add ${showShape(skip!.shape)} to ${showShape(x!.shape)}`);
    }
    const like = { dtype: 'float32', shape: x!.shape } as const;
    return [like, like];
  },
  derivative: ({ inputs, attrs: { epsilon }, cotangents: [dy, dSum] }, ops) => {
    const [x, skip, scale, bias] = [inputs[0]!, inputs[1]!, inputs[2]!, inputs[3]!];
    if (dy === undefined) return [dSum, dSum, undefined, undefined];
    const [y] = ops.layerNorm(ops.add(x, skip), scale, bias, epsilon);
    const [dNorm, dScale, dBias] = ops.derivativeOf(y!, dy);
    const dTotal = dSum === undefined ? dNorm : ops.add(dNorm!, dSum);
    return [dTotal, dTotal, dScale, dBias];
  },
  emit: ({ inputs, outputs: [y, sum], attrs: { epsilon } }, onnx) => {
    onnx.node('SkipLayerNormalization', inputs, {
      outputs: [y!, '', '', sum!],
      attributes: { epsilon: { float: epsilon } },
      domain: 'com.microsoft',
    });
  },
};
