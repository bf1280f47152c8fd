import type { NoAttrs, Primitive } from '../primitive.js';
import { ofAngle } from './elementwise.js';

/** cos x, x in radians; dx = −sin x · dy. */
export const cos: Primitive<NoAttrs> = ofAngle('Cos', ({ x, dy }, ops) => ops.neg(ops.mul(ops.sin(x), dy)));
