import type { Tensor } from '../tensor.js';
import { commonSubexpressions } from './commonSubexpressions.js';
import { foldTransposes } from './foldTransposes.js';
import { fuseGemm } from './fuseGemm.js';

/** All passes, in the order they profit from each other. Dead code never reaches the emitted graph. */
export function optimize(outputs: readonly Tensor[]): Tensor[] {
  return [commonSubexpressions, foldTransposes, fuseGemm].reduce<Tensor[]>((graph, pass) => pass(graph), [...outputs]);
}
