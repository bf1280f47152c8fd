import type { Primitive } from '../primitive.js';
import type { Dim } from '../shape.js';

/** The value of a symbolic dimension as a float32 scalar; has no inputs and no derivative. */
export const size: Primitive<{ readonly dim: Dim }> = {
  storage: 'fresh',
  shape: () => [{ dtype: 'float32', shape: [] }],
  derivative: () => [],
  emit: ({ outputs, attrs: { dim } }, onnx) => {
    const scalar = onnx.node('Squeeze', [onnx.sizes([dim]), onnx.int64s([0])])[0]!;
    onnx.node('Cast', [scalar], { outputs, attributes: { to: { int: 1 } } });
  },
};
