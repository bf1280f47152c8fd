import type { NoAttrs, Primitive } from '../primitive.js';
import { constant } from '../tensor.js';
import { unary } from './elementwise.js';

/** σ(x) = 1 / (1 + e⁻ˣ); dσ = σ(1 − σ) */
export const sigmoid: Primitive<NoAttrs> = unary('Sigmoid', ({ y, dy }, ops) =>
  ops.mul(dy, ops.mul(y, ops.sub(constant(1), y))),
);
