import type { Primitive } from '../primitive.js';
import { type Dim, sameShape, showShape } from '../shape.js';

/** Adds updates [...indices, …] into rows of zeros [rows, …]; repeated indices add up. The transpose of gather. */
export const scatterAdd: Primitive<{ readonly rows: Dim }> = {
  storage: 'fresh',
  shape: ([indices, updates], { rows }) => {
    const rank = indices!.shape.length;
    if (!sameShape(updates!.shape.slice(0, rank), indices!.shape)) {
      throw new Error(
        `updates ${showShape(updates!.shape)} do not start with the indices' ${showShape(indices!.shape)}`,
      );
    }
    return [{ dtype: 'float32', shape: [rows, ...updates!.shape.slice(rank)] }];
  },
  derivative: ({ inputs: [indices], cotangents: [dy] }, ops) => [undefined, ops.gather(dy!, indices!)],
  emit: ({ inputs, outputs, outputTypes }, onnx) => {
    const zeros = onnx.node('Expand', [onnx.float(0), onnx.sizes(outputTypes[0]!.shape)])[0]!;
    const rows = onnx.node('Unsqueeze', [inputs[0]!, onnx.int64s([-1])])[0]!;
    onnx.node('ScatterND', [zeros, rows, inputs[1]!], { outputs, attributes: { reduction: { string: 'add' } } });
  },
};
