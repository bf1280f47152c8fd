import type { Primitive } from '../primitive.js';
import { showShape } from '../shape.js';

/** Axis i of the result is axis perm[i] of x. */
export const transpose: Primitive<{ readonly perm: readonly number[] }> = {
  storage: 'fresh',
  shape: ([x], { perm }) => {
    const rank = x!.shape.length;
    if (perm.length !== rank || new Set(perm).size !== rank || perm.some((axis) => x!.shape[axis] === undefined)) {
      throw new Error(`[${perm}] is no permutation of the axes of ${showShape(x!.shape)}`);
    }
    return [{ dtype: x!.dtype, shape: perm.map((axis) => x!.shape[axis]!) }];
  },
  derivative: ({ attrs: { perm }, cotangents: [dy] }, ops) => {
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [ops.transpose(dy!, inverse)];
  },
  emit: ({ inputs, outputs, attrs: { perm } }, onnx) => {
    onnx.node('Transpose', inputs, { outputs, attributes: { perm: { ints: perm } } });
  },
};
