import type { NoAttrs, Primitive } from '../primitive.js';
import { binary } from './elementwise.js';

/** a + b */
export const add: Primitive<NoAttrs> = binary('Add', ({ dy }) => [dy, dy]);
