import type { NoAttrs, Primitive } from '../primitive.js';
import { constant } from '../tensor.js';
import { unary } from './elementwise.js';

/**
 * SiLU, x·σ(x) (arXiv 1606.08415). Its derivative is σ(x) · (1 + x·(1 − σ(x))): nothing but x need be kept for it, where the
 * product of x and σ(x) as two primitives would keep both.
 */
export const silu: Primitive<NoAttrs> = {
  ...unary(
    'QuickGelu',
    ({ x, dy }, ops) => {
      const sigmoid = ops.sigmoid(x);
      const slope = ops.mul(sigmoid, ops.add(constant(1), ops.mul(x, ops.sub(constant(1), sigmoid))));
      return ops.mul(dy, slope);
    },
    // The kernel reads x again when it has written σ(x) to y.
    { storage: 'fresh' },
  ),
  emit: ({ inputs, outputs }, onnx) => {
    if (onnx.has('QuickGelu')) {
      onnx.node('QuickGelu', inputs, { outputs, domain: 'com.microsoft', attributes: { alpha: { float: 1 } } });
      return;
    }
    const [x] = inputs as [string];
    onnx.node('Mul', [x, onnx.node('Sigmoid', [x])[0]!], { outputs });
  },
};
