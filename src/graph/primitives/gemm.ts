import type { Primitive } from '../primitive.js';
import { broadcastShapes, sameShape, showShape } from '../shape.js';
import { type MatmulAttrs, matmulShape } from './matmul.js';

export interface GemmAttrs extends MatmulAttrs {
  /** Factor on c; default 1. */
  readonly beta?: number;
}

/**
 * alpha · op(a) op(b) + beta · c for matrices, c broadcast to the product. Made by the pass fuseGemm: the addition then costs
 * no pass over memory of its own.
 */
export const gemm: Primitive<GemmAttrs> = {
  storage: 'fresh',
  shape: ([a, b, c], attrs) => {
    const shape = matmulShape(a!.shape, b!.shape, attrs);
    if (shape.length !== 2 || !sameShape(broadcastShapes(shape, c!.shape), shape)) {
      throw new Error(`gemm cannot add ${showShape(c!.shape)} to ${showShape(shape)}`);
    }
    return [{ dtype: 'float32', shape }];
  },
  derivative: ({ inputs: [a, b, c], attrs, cotangents: [dy] }, ops) => {
    const product = ops.matmul(a!, b!, attrs);
    return [...ops.derivativeOf(product, dy!), ops.sumTo(ops.scale(dy!, attrs.beta ?? 1), c!.shape)];
  },
  emit: ({ inputs, outputs, attrs: { transA, transB, alpha, beta = 1 } }, onnx) => {
    const flags = { transA: { int: transA ? 1 : 0 }, transB: { int: transB ? 1 : 0 }, alpha: { float: alpha } };
    onnx.node('Gemm', inputs, { outputs, attributes: beta === 1 ? flags : { ...flags, beta: { float: beta } } });
  },
};
