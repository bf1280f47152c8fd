import type { NoAttrs, Primitive } from '../primitive.js';
import { unary } from './elementwise.js';

/** sin x, x in radians; dx = cos x · dy. */
export const sin: Primitive<NoAttrs> = unary('Sin', ({ x, dy }, ops) => ops.mul(ops.cos(x), dy));
