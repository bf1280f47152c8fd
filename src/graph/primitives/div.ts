import type { NoAttrs, Primitive } from '../primitive.js';
import { binary } from './elementwise.js';

/** a / b */
export const div: Primitive<NoAttrs> = binary('Div', ({ b, y, dy }, ops) => {
  const da = ops.div(dy, b);
  return [da, ops.neg(ops.mul(da, y))];
});
