import type { NoAttrs, Primitive } from '../primitive.js';
import { constant } from '../tensor.js';
import { unary } from './elementwise.js';

/**
 * Exact GELU, x·Φ(x) (arXiv 1606.08415). Its derivative is Φ(x) + x·φ(x), Φ and φ being the distribution and density
 * of the standard normal.
 */
export const gelu: Primitive<NoAttrs> = {
  ...unary(
    'Gelu',
    ({ x, dy }, ops) => {
      const distribution = ops.add(ops.scale(ops.erf(ops.scale(x, Math.SQRT1_2)), 0.5), constant(0.5));
      const density = ops.exp(ops.mul(ops.scale(x, -0.5), x));
      const slope = ops.add(distribution, ops.mul(ops.scale(x, 1 / Math.sqrt(2 * Math.PI)), density));
      return ops.mul(dy, slope);
    },
    // The kernel reads x again when it has written erf(x / √2) to y.
    { storage: 'fresh' },
  ),
  emit: ({ inputs, outputs }, onnx) => {
    if (onnx.has('Gelu')) {
      onnx.node('Gelu', inputs, { outputs, domain: 'com.microsoft' });
      return;
    }
    // Written as PyTorch's exporter does, which is the form that runtimes know to fuse.
    const [x] = inputs as [string];
    const erf = onnx.node('Erf', onnx.node('Div', [x, onnx.float(Math.SQRT2)]))[0]!;
    const twice = onnx.node('Mul', [x, onnx.node('Add', [erf, onnx.float(1)])[0]!])[0]!;
    onnx.node('Mul', [twice, onnx.float(0.5)], { outputs });
  },
};
