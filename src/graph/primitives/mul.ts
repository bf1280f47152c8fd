import type { NoAttrs, Primitive } from '../primitive.js';
import { binary } from './elementwise.js';

/** a · b, element by element */
export const mul: Primitive<NoAttrs> = binary('Mul', ({ a, b, dy }, ops) => [ops.mul(dy, b), ops.mul(dy, a)]);
