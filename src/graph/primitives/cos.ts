import type { NoAttrs, Primitive } from '../primitive.js';
import { unary } from './elementwise.js';

/** cos x, x in radians; dx = −sin x · dy. */
export const cos: Primitive<NoAttrs> = unary('Cos', ({ x, dy }, ops) => ops.neg(ops.mul(ops.sin(x), dy)));
