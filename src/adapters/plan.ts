import type { AdaptableModule } from '../models/model.js';

/** One pair of low-rank matrices: A [rank, in], B [out, rank]. */
export interface LowRankPair {
  /** Parameters are called `<name>.lora_A` and `<name>.lora_B`. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** Where a pair acts. Several modules may share one pair. */
export interface Placement {
  readonly module: AdaptableModule;
  readonly pair: string;
}

/** Which modules are adapted, and how: h = W0 x + b + (alpha / rank) · B A x. */
export interface AdapterPlan {
  readonly rank: number;
  readonly alpha: number;
  readonly pairs: readonly LowRankPair[];
  readonly placements: readonly Placement[];
}

/** One pair for each of `own`, and one pair for each column name among `shared`. */
export function planAdapters(
  options: { readonly rank: number; readonly alpha: number },
  own: readonly AdaptableModule[],
  shared: readonly AdaptableModule[] = [],
): AdapterPlan {
  const pairs = new Map<string, LowRankPair>();
  const place = (module: AdaptableModule, pair: string): Placement => {
    const { inFeatures, outFeatures } = module;
    pairs.set(pair, { name: pair, inFeatures, outFeatures });
    return { module, pair };
  };
  const placements = [
    ...own.map((module) => place(module, module.path)),
    ...shared.map((module) => place(module, `shared.${module.module}`)),
  ];
  return { ...options, pairs: [...pairs.values()], placements };
}

/** Trainable numbers of a plan's pairs. */
export function pairParameters(plan: AdapterPlan): number {
  return plan.pairs.reduce((total, pair) => total + plan.rank * (pair.inFeatures + pair.outFeatures), 0);
}
