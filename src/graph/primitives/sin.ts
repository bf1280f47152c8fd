import { unary } from './elementwise.js';

/** sin x, x in radians; dx = cos x · dy. */
export const sin = unary('Sin', ({ x, dy }, ops) => ops.mul(ops.cos(x), dy));
