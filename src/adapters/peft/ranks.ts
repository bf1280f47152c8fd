import { matchesEnd } from './patterns.js';
import type { PeftAdapter } from './types.js';

/** Rank of a module: as its pattern says, else the adapter's. */
export function rankOf(adapter: Pick<PeftAdapter, 'type' | 'rank' | 'rankPattern' | 'fields'>, module: string): number {
  return (
    adapter.type.rankOf?.(adapter.fields, module) ?? lookUp('rank_pattern', adapter.rankPattern, module) ?? adapter.rank
  );
}

/** Alpha of a module: as its pattern says, else the adapter's. */
export function alphaOf(adapter: Pick<PeftAdapter, 'alpha' | 'alphaPattern'>, module: string): number {
  return lookUp('alpha_pattern', adapter.alphaPattern, module) ?? adapter.alpha;
}

/** What B A x is multiplied by in LoRA: alpha / rank, or alpha / √rank where it is rank-stabilised (arXiv 2312.03732). */
export function scalingOf(
  adapter: Pick<PeftAdapter, 'type' | 'rank' | 'alpha' | 'rankPattern' | 'alphaPattern' | 'fields'>,
  module: string,
): number {
  const rank = rankOf(adapter, module);
  return alphaOf(adapter, module) / (adapter.fields.use_rslora === true ? Math.sqrt(rank) : rank);
}

/** PEFT's `get_pattern_key`: the first key that, as a regular expression, matches the path or its end. */
function lookUp(field: string, patterns: Readonly<Record<string, number>>, module: string): number | undefined {
  const key = Object.keys(patterns).find((pattern) => matchesEnd(field, pattern, module));
  return key === undefined ? undefined : patterns[key];
}
