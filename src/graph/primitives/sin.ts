import type { NoAttrs, Primitive } from '../primitive.js';
import { ofAngle } from './elementwise.js';

/** sin x, x in radians; dx = cos x · dy. */
export const sin: Primitive<NoAttrs> = ofAngle('Sin', ({ x, dy }, ops) => ops.mul(ops.cos(x), dy));
