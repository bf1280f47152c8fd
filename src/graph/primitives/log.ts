import type { NoAttrs, Primitive } from '../primitive.js';
import { unary } from './elementwise.js';

/** Natural logarithm. */
export const log: Primitive<NoAttrs> = unary('Log', ({ x, dy }, ops) => ops.div(dy, x));
