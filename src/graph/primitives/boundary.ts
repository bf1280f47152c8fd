import type { Primitive } from '../primitive.js';

/** Which boundary. */
export interface BoundaryAttrs {
  /** Counts the boundaries of a graph in the order of computation. */
  readonly index: number;
  /** Of the activation itself, or of the gradient that comes back to it. */
  readonly of: 'value' | 'gradient';
}

/**
 * x, marked as the end of a segment whose insides the backward pass is to compute anew (see passes/recompute.ts). The
 * derivative marks the gradient in the same way.
 */
export const boundary: Primitive<BoundaryAttrs> = {
  storage: 'alias',
  shape: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  derivative: ({ attrs: { index, of }, cotangents: [dy] }, ops) => [
    of === 'value' ? ops.boundary(dy!, { index, of: 'gradient' }) : dy,
  ],
  emit: ({ inputs, outputs }, onnx) => {
    onnx.node('Identity', inputs, { outputs });
  },
};
