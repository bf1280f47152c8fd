import { averagePrecision } from './metrics.js';

/** From here on a candidate counts as relevant where only yes or no is asked. */
const relevantFrom = 0.5;
/** Places of a ranking that `_at_10` reads. */
const depth = 10;

/** A query's candidates: the scores that they were given, and how relevant each is. */
export interface RankedCandidates {
  /** [candidates]; the higher, the sooner. */
  readonly scores: ArrayLike<number>;
  /** [candidates]; 0: not at all. */
  readonly relevance: ArrayLike<number>;
}

const measures = {
  /** scikit-learn's `ndcg_score`: gains are relevances, discount log₂(rank + 1); candidates of one score share their places. */
  ndcg_at_10({ scores, relevance }: RankedCandidates) {
    const gains = Array.from(relevance, (one) => Math.max(0, one));
    const best = discounted(gains, gains);
    return best === 0 ? 0 : discounted(gains, scores) / best;
  },
  /** 1 / rank of the first relevant one, 0 where none of the first 10 is; of one score the earlier candidate is first. */
  mrr_at_10({ scores, relevance }: RankedCandidates) {
    const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
    const first = order.slice(0, depth).findIndex((i) => relevance[i]! >= relevantFrom);
    return first < 0 ? 0 : 1 / (first + 1);
  },
  /** Average precision over all candidates. */
  map({ scores, relevance }: RankedCandidates) {
    const relevant = Array.from(relevance, (one) => (one >= relevantFrom ? 1 : 0));
    return relevant.some((one) => one === 1) ? averagePrecision(scores, relevant) : 0;
  },
} satisfies Readonly<Record<string, (query: RankedCandidates) => number>>;

/** Name of a metric of candidates that were ranked. */
export type RerankingMetric = keyof typeof measures;
/** Names of all {@link RerankingMetric}s, the usual first one first. */
export const rerankingMetrics = Object.keys(measures) as RerankingMetric[];

/**
 * Metrics of the ranking of a query's candidates, as sentence-transformers' CrossEncoderRerankingEvaluator computes them: of a
 * query without a relevant candidate they are 0.
 */
export function rerankingScores(query: RankedCandidates): Readonly<Record<RerankingMetric, number>> {
  return Object.fromEntries(Object.entries(measures).map(([name, measure]) => [name, measure(query)])) as Record<
    RerankingMetric,
    number
  >;
}

/** Σ gain / log₂(rank + 1) over the first 10 by score. Those of one score have the mean of their gains each. */
function discounted(gains: readonly number[], scores: ArrayLike<number>): number {
  const order = Array.from({ length: gains.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  let sum = 0;
  for (let start = 0; start < Math.min(depth, order.length); ) {
    let end = start + 1;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    const mean = order.slice(start, end).reduce((total, i) => total + gains[i]!, 0) / (end - start);
    for (let rank = start; rank < Math.min(depth, end); rank++) sum += mean / Math.log2(rank + 2);
    start = end;
  }
  return sum;
}
