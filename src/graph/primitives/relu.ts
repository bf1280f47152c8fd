import type { NoAttrs, Primitive } from '../primitive.js';
import { constant } from '../tensor.js';
import { unary } from './elementwise.js';

/** max(x, 0); the derivative at 0 is 0, as in PyTorch. */
export const relu: Primitive<NoAttrs> = unary('Relu', ({ y, dy }, ops) => {
  const zero = constant(0);
  return ops.where(ops.greater(y, zero), dy, zero);
});
