import type { NoAttrs, Primitive } from '../primitive.js';
import { unary } from './elementwise.js';

/** eˣ */
export const exp: Primitive<NoAttrs> = unary('Exp', ({ y, dy }, ops) => ops.mul(dy, y));
