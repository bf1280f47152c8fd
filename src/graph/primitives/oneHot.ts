import type { Emitter, Primitive } from '../primitive.js';

/** 1 at the class of each int64 label, 0 elsewhere: [...labels, classes]. A label outside 0..classes-1 gives zeros. */
export const oneHot: Primitive<{ readonly classes: number }> = {
  storage: 'fresh',
  shape: ([labels], { classes }) => [{ dtype: 'float32', shape: [...labels!.shape, classes] }],
  derivative: () => [undefined],
  emit: ({ inputs, outputs, attrs: { classes } }, onnx) => {
    if (!onnx.has('int64')) {
      onnx.node('Cast', [labelHits(inputs[0]!, classes, onnx)], { outputs, attributes: { to: { int: 1 } } });
      return;
    }
    const column = onnx.node('Unsqueeze', [inputs[0]!, onnx.int64s([-1])])[0]!;
    const all = onnx.int64s(Array.from({ length: classes }, (_, i) => i));
    const hit = onnx.node('Equal', [column, all])[0]!;
    onnx.node('Cast', [hit], { outputs, attributes: { to: { int: 1 } } });
  },
};

/** Whether a label is a class, [...labels, classes] as booleans, by numbers that float32 holds exactly (below 2²⁴). */
export function labelHits(labels: string, classes: number, onnx: Emitter): string {
  const numbers = onnx.node('Cast', [labels], { attributes: { to: { int: 1 } } })[0]!;
  const column = onnx.node('Unsqueeze', [numbers, onnx.int64s([-1])])[0]!;
  return onnx.node('Equal', [column, onnx.floats(Float32Array.from({ length: classes }, (_, i) => i))])[0]!;
}
