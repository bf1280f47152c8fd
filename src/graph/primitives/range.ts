import type { Primitive } from '../primitive.js';
import type { Dim } from '../shape.js';

/** 0, 1, …, length − 1 as int64 [length]; has no inputs and no derivative. */
export const range: Primitive<{ readonly length: Dim }> = {
  storage: 'fresh',
  shape: (_, { length }) => [{ dtype: 'int64', shape: [length] }],
  derivative: () => [],
  emit: ({ outputs, attrs: { length } }, onnx) => {
    const axis = onnx.int64s([0]);
    const scalar = (sizes: string) => onnx.node('Squeeze', [sizes, axis])[0]!;
    onnx.node('Range', [scalar(onnx.int64s([0])), scalar(onnx.sizes([length])), scalar(onnx.int64s([1]))], { outputs });
  },
};
