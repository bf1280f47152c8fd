import type { NoAttrs, Primitive } from '../primitive.js';

/** Rows of a table [rows, …] by int64 indices of any shape: result [...indices, …]. */
export const gather: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([table, indices]) => {
    if (indices!.dtype !== 'int64') throw new Error(`gather needs int64 indices, got ${indices!.dtype}`);
    return [{ dtype: table!.dtype, shape: [...indices!.shape, ...table!.shape.slice(1)] }];
  },
  derivative: ({ inputs: [table, indices], cotangents: [dy] }, ops) => [
    ops.scatterAdd(indices!, dy!, table!.shape[0]!),
    undefined,
  ],
  emit: ({ inputs, outputs }, onnx) => {
    onnx.node('Gather', inputs, { outputs, attributes: { axis: { int: 0 } } });
  },
};
