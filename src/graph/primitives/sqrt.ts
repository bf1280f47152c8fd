import type { NoAttrs, Primitive } from '../primitive.js';
import { unary } from './elementwise.js';

/** √x; d√x = dx / 2√x */
export const sqrt: Primitive<NoAttrs> = unary('Sqrt', ({ y, dy }, ops) => ops.div(ops.scale(dy, 0.5), y));
