import type { AdaptableModule } from '../models/model.js';

/** The golden ratio's fraction: multiples of it lie as evenly in [0, 1) as multiples of one number can. */
const golden = (Math.sqrt(5) - 1) / 2;

/**
 * Ranks of LoRA on `modules` whose trainable numbers come as close to a budget from below as single ranks allow: the
 * same rank everywhere, and one more on as many modules as fit, spread evenly over the model.
 * @returns rank by module path; undefined when the budget does not allow rank 1 everywhere
 */
export function evenRanks(modules: readonly AdaptableModule[], budget: number): Record<string, number> | undefined {
  const sizeOf = ({ inFeatures, outFeatures }: AdaptableModule) => inFeatures + outFeatures;
  const perRank = modules.reduce((sum, module) => sum + sizeOf(module), 0);
  const rank = Math.floor(budget / perRank);
  if (rank < 1) return undefined;
  const ranks = new Map(modules.map(({ path }) => [path, rank]));
  let left = budget - rank * perRank;
  const spread = modules
    .map((module, i) => ({ module, place: (i * golden) % 1 }))
    .sort((a, b) => a.place - b.place)
    .map(({ module }) => module);
  for (const module of spread) {
    if (sizeOf(module) > left) continue;
    ranks.set(module.path, rank + 1);
    left -= sizeOf(module);
  }
  return Object.fromEntries(ranks);
}
