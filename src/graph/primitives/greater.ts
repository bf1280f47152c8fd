import type { NoAttrs, Primitive } from '../primitive.js';
import { broadcastShapes } from '../shape.js';

/** a > b as booleans; has no derivative. */
export const greater: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([a, b]) => [{ dtype: 'bool', shape: broadcastShapes(a!.shape, b!.shape) }],
  derivative: () => [undefined, undefined],
  emit: ({ inputs, outputs, inputTypes }, onnx) => {
    // Positions and lengths, which float32 holds exactly.
    const isInteger = (i: number) => inputTypes[i]!.dtype === 'int64' && !onnx.has('int64');
    const numbers = inputs.map((name, i) =>
      isInteger(i) ? onnx.node('Cast', [name], { attributes: { to: { int: 1 } } })[0]! : name,
    );
    onnx.node('Greater', numbers, { outputs });
  },
};
