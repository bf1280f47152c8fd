import { elementCount } from '../checkpoint/dtype.js';
import type { Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';
import type { BottleneckSettings } from './bottleneck.js';
import { evenRanks } from './evenRanks.js';
import type { LoraSettings } from './loraSettings.js';
import { type AdapterPlan, adapterSize, type Where } from './plan.js';
import { tooSmall } from './tooSmall.js';

export type MakePlan<S> = (settings: S, where: Where, model: Model) => AdapterPlan;

/**
 * What has to change in the settings so that a method's adapters have `budget` trainable numbers, as near as it can.
 * @throws TooSmallError when the smallest that it can is too much
 */
export type Fit<S> = (settings: S, where: Where, model: Model, budget: number) => Partial<S>;

/** The settings at which LoRA's relatives are smallest. */
export const lowestRank = { rank: 1, ranks: undefined, alphas: undefined } as const;

/** LoRA and its relatives: ranks that differ by one at most; alpha / rank stays as it is. Never above the budget. */
export function fitRanks<S extends LoraSettings>(
  plan: MakePlan<S>,
): (
  settings: S,
  where: Where,
  model: Model,
  budget: number,
) => Pick<LoraSettings, 'rank' | 'alpha' | 'ranks' | 'alphas'> {
  return (settings, where, model, budget) => {
    const firstSharers = new Map([...where.shared].reverse().map((module) => [module.module, module]));
    const pairs = [...where.own, ...firstSharers.values()];
    const perRank = pairs.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures, 0);
    // What an adapter has beside its pairs, such as DoRA's magnitudes, does not grow with the rank.
    const smallest = trainedSize(plan({ ...settings, ...lowestRank }, where, model), model);
    const ranks = evenRanks(pairs, budget - (smallest - perRank));
    if (ranks === undefined) {
      const cure = 'adapt fewer modules (--targets), or choose as many as fit (--select)';
      throw tooSmall(budget, smallest, `rank 1 on ${pairs.length} modules`, cure);
    }
    for (const { path, module } of where.shared) ranks[path] = ranks[firstSharers.get(module)!.path]!;
    const { rank, alpha } = settings;
    const alphas = Object.fromEntries(Object.entries(ranks).map(([path, one]) => [path, (alpha * one) / rank]));
    return { rank, alpha, ranks, alphas };
  };
}

/** Bottleneck adapters: the one width of all of them that comes nearest to the budget. */
export function fitReduction(
  plan: (settings: BottleneckSettings, model: Model) => AdapterPlan,
): (settings: BottleneckSettings, where: Where, model: Model, budget: number) => BottleneckSettings {
  return (_settings, _where, model, budget) => {
    const features = Math.max(
      ...model.adaptable.filter(({ ends }) => ends !== undefined).map((one) => one.outFeatures),
    );
    const sizeAt = (width: number) => trainedSize(plan({ reduction: features / width }, model), model);
    const perWidth = sizeAt(2) - sizeAt(1);
    const width = Math.round((budget - sizeAt(1)) / perWidth) + 1;
    if (width < 1) throw tooSmall(budget, sizeAt(1), 'a width of 1');
    return { reduction: features / width };
  };
}

/** Trained numbers beside the head: those of a plan's own tensors and of the backbone's that it trains. */
export function trainedSize(plan: AdapterPlan, model: Model): number {
  return plan.replaced.reduce((sum, name) => sum + elementCount(backboneTensor(model, name).shape), adapterSize(plan));
}
