import type { Primitive } from '../primitive.js';
import { normalizeAxis } from '../shape.js';
import { type SumAttrs, sum } from './sum.js';

/** Mean over axes of known sizes. Made by the pass fuseStatistics: one kernel where a sum and a factor are two. */
export const reduceMean: Primitive<SumAttrs> = {
  storage: 'fresh',
  shape: sum.shape,
  derivative: ({ inputs: [x], attrs: { axes }, cotangents: [dy] }, ops) => {
    const averaged = axes.map((axis) => normalizeAxis(axis, x!.shape.length));
    const count = averaged.reduce((product, axis) => product * (x!.shape[axis] as number), 1);
    const kept = x!.shape.map((dim, axis) => (averaged.includes(axis) ? 1 : dim));
    return [ops.expand(ops.reshape(ops.scale(dy!, 1 / count), kept), x!.shape)];
  },
  emit: ({ inputs, outputs, attrs: { axes, keepDims } }, onnx) => {
    onnx.node('ReduceMean', inputs, {
      outputs,
      attributes: { axes: { ints: axes }, keepdims: { int: keepDims ? 1 : 0 } },
    });
  },
};
