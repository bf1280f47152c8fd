import type { NoAttrs, Primitive } from '../primitive.js';
import { unary } from './elementwise.js';

/** Error function; d erf = 2/√π · e^(−x²) */
export const erf: Primitive<NoAttrs> = unary('Erf', ({ x, dy }, ops) =>
  ops.mul(dy, ops.scale(ops.exp(ops.neg(ops.mul(x, x))), 2 / Math.sqrt(Math.PI))),
);
