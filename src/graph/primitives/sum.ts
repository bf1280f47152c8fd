import type { Primitive } from '../primitive.js';
import { normalizeAxis } from '../shape.js';

/** Axes, and whether they stay with size 1. */
export interface SumAttrs {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** Sum over axes. */
export const sum: Primitive<SumAttrs> = {
  storage: 'fresh',
  shape: ([x], { axes, keepDims }) => {
    const summed = axes.map((axis) => normalizeAxis(axis, x!.shape.length));
    const shape = x!.shape.flatMap((dim, axis) => (summed.includes(axis) ? (keepDims ? [1] : []) : [dim]));
    return [{ dtype: 'float32', shape }];
  },
  derivative: ({ inputs: [x], attrs: { axes }, cotangents: [dy] }, ops) => {
    const summed = axes.map((axis) => normalizeAxis(axis, x!.shape.length));
    const kept = x!.shape.map((dim, axis) => (summed.includes(axis) ? 1 : dim));
    return [ops.expand(ops.reshape(dy!, kept), x!.shape)];
  },
  emit: ({ inputs, outputs, attrs: { axes, keepDims } }, onnx) => {
    onnx.node('ReduceSum', [inputs[0]!, onnx.int64s(axes)], {
      outputs,
      attributes: { keepdims: { int: keepDims ? 1 : 0 }, noop_with_empty_axes: { int: 1 } },
    });
  },
};
