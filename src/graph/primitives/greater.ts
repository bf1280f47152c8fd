import type { NoAttrs, Primitive } from '../primitive.js';
import { broadcastShapes } from '../shape.js';

/** a > b as booleans; has no derivative. */
export const greater: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([a, b]) => [{ dtype: 'bool', shape: broadcastShapes(a!.shape, b!.shape) }],
  derivative: () => [undefined, undefined],
  emit: ({ inputs, outputs }, onnx) => {
    onnx.node('Greater', inputs, { outputs });
  },
};
