import type { NoAttrs, Primitive } from '../primitive.js';
import { binary } from './elementwise.js';

/** a − b */
export const sub: Primitive<NoAttrs> = binary('Sub', ({ dy }, ops) => [dy, ops.neg(dy)]);
