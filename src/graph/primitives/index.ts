import { add } from './add.js';
import { after } from './after.js';
import { boundary } from './boundary.js';
import { cast } from './cast.js';
import { concat } from './concat.js';
import { cos } from './cos.js';
import { crossEntropy } from './crossEntropy.js';
import { div } from './div.js';
import { done } from './done.js';
import { erf } from './erf.js';
import { exp } from './exp.js';
import { expand } from './expand.js';
import { gather } from './gather.js';
import { gelu } from './gelu.js';
import { gemm } from './gemm.js';
import { greater } from './greater.js';
import { layerNorm } from './layerNorm.js';
import { log } from './log.js';
import { logSoftmax } from './logSoftmax.js';
import { matmul } from './matmul.js';
import { mul } from './mul.js';
import { neg } from './neg.js';
import { oneHot } from './oneHot.js';
import { pack, unpack } from './pack.js';
import { pad } from './pad.js';
import { range } from './range.js';
import { reduceMean } from './reduceMean.js';
import { relu } from './relu.js';
import { reshape } from './reshape.js';
import { rmsNorm } from './rmsNorm.js';
import { rotary } from './rotary.js';
import { scatterAdd } from './scatterAdd.js';
import { shift } from './shift.js';
import { sigmoid } from './sigmoid.js';
import { silu } from './silu.js';
import { sin } from './sin.js';
import { size } from './size.js';
import { skew, unskew } from './skew.js';
import { skipLayerNorm } from './skipLayerNorm.js';
import { slice } from './slice.js';
import { softmax } from './softmax.js';
import { sqrt } from './sqrt.js';
import { stopGradient } from './stopGradient.js';
import { sub } from './sub.js';
import { sum } from './sum.js';
import { tanh } from './tanh.js';
import { transpose } from './transpose.js';
import { where } from './where.js';
import { window } from './window.js';

/**
 * Every primitive by name. A primitive without one of its three rules does not compile; adding one is a file and a
 * line here (and a line in ops.ts, which gives it a typed call).
 */
export const primitives = {
  add,
  after,
  boundary,
  cast,
  concat,
  cos,
  crossEntropy,
  div,
  done,
  erf,
  exp,
  expand,
  gather,
  gelu,
  gemm,
  greater,
  layerNorm,
  log,
  logSoftmax,
  matmul,
  mul,
  neg,
  oneHot,
  pack,
  pad,
  range,
  reduceMean,
  relu,
  reshape,
  rmsNorm,
  rotary,
  scatterAdd,
  shift,
  sigmoid,
  silu,
  sin,
  size,
  skew,
  skipLayerNorm,
  slice,
  softmax,
  sqrt,
  stopGradient,
  sub,
  sum,
  tanh,
  transpose,
  unpack,
  unskew,
  where,
  window,
};

export type Primitives = typeof primitives;
export type PrimitiveName = keyof Primitives;
