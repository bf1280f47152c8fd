import type { NoAttrs, Primitive } from '../primitive.js';
import { unary } from './elementwise.js';

/** −x */
export const neg: Primitive<NoAttrs> = unary('Neg', ({ dy }, ops) => ops.neg(dy));
