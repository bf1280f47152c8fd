import type { Tensor } from '../tensor.js';
import { commonSubexpressions } from './commonSubexpressions.js';
import { computeAgain } from './computeAgain.js';
import { foldTransposes } from './foldTransposes.js';
import { fuseGemm } from './fuseGemm.js';
import { recompute } from './recompute.js';

/** All passes, in the order they profit from each other. Dead code never reaches the emitted graph. */
export function optimize(outputs: readonly Tensor[]): Tensor[] {
  const passes = [computeAgain, commonSubexpressions, foldTransposes, fuseGemm, recompute];
  return passes.reduce<Tensor[]>((graph, pass) => pass(graph), [...outputs]);
}
