import type { NoAttrs, Primitive } from '../primitive.js';

/**
 * The int64 scalar 0, which is there once every input has been computed: 0 · the largest of their numbers of elements.
 * The runtime cannot know that beforehand (it folds `Shape` of known sizes, but not `Size`). Reads no element.
 */
export const done: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: () => [{ dtype: 'int64', shape: [] }],
  derivative: ({ inputs }) => inputs.map(() => undefined),
  emit: ({ inputs, outputs }, onnx) => {
    const sizes = inputs.map((name) => onnx.node('Size', [name])[0]!);
    const largest = sizes.length === 1 ? sizes[0]! : onnx.node('Max', sizes)[0]!;
    const zero = onnx.int64s([0]);
    const scalar = onnx.node('Squeeze', [zero, zero])[0]!;
    onnx.node('Mul', [largest, scalar], { outputs });
  },
};
