import type { NoAttrs, Primitive } from '../primitive.js';
import { broadcastShapes } from '../shape.js';
import { constant } from '../tensor.js';

/** a where the condition (bool) holds, b elsewhere; all three broadcast. */
export const where: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([condition, a, b]) => {
    if (condition!.dtype !== 'bool') throw new Error(`where needs a bool condition, got ${condition!.dtype}`);
    return [{ dtype: a!.dtype, shape: broadcastShapes(condition!.shape, broadcastShapes(a!.shape, b!.shape)) }];
  },
  derivative: ({ inputs: [condition, a, b], cotangents: [dy] }, ops) => {
    const zero = constant(0);
    return [
      undefined,
      ops.sumTo(ops.where(condition!, dy!, zero), a!.shape),
      ops.sumTo(ops.where(condition!, zero, dy!), b!.shape),
    ];
  },
  emit: ({ inputs, outputs }, onnx) => {
    onnx.node('Where', inputs, { outputs });
  },
};
