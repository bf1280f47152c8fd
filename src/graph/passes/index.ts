import type { Dialect } from '../onnx/dialect.js';
import type { Tensor } from '../tensor.js';
import { commonSubexpressions } from './commonSubexpressions.js';
import { computeAgain } from './computeAgain.js';
import { foldTransposes } from './foldTransposes.js';
import { fuseGemm } from './fuseGemm.js';
import { fuseStatistics } from './fuseStatistics.js';
import { maskedSoftmax } from './maskedSoftmax.js';
import { pushScales } from './pushScales.js';
import { recompute } from './recompute.js';
import { skipNorms } from './skipNorms.js';

/** All passes, in the order they profit from each other. Dead code never reaches the emitted graph. */
export function optimize(outputs: readonly Tensor[]): Tensor[] {
  const passes = [computeAgain, commonSubexpressions, foldTransposes, fuseGemm, recompute];
  return passes.reduce<Tensor[]>((graph, pass) => pass(graph), [...outputs]);
}

/** What follows for runtimes to which a kernel costs time of its own. Last bits change. */
export function withFewKernels(outputs: readonly Tensor[], { operators }: Pick<Dialect, 'operators'>): Tensor[] {
  const fused = skipNorms(maskedSoftmax(fuseStatistics(outputs)));
  return operators.has('FusedMatMul') ? fused : pushScales(fused);
}
