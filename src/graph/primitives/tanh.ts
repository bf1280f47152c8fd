import type { NoAttrs, Primitive } from '../primitive.js';
import { constant } from '../tensor.js';
import { unary } from './elementwise.js';

/** Hyperbolic tangent; d tanh = 1 − tanh² */
export const tanh: Primitive<NoAttrs> = unary('Tanh', ({ y, dy }, ops) =>
  ops.mul(dy, ops.sub(constant(1), ops.mul(y, y))),
);
