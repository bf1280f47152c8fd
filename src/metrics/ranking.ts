/** What of each query's ranking is measured, by the names that MTEB has for them. */
const measures = {
  /** Normalised discounted cumulative gain of the first 10: gain 1 of what is relevant, discount log₂(rank + 1). */
  ndcg_at_10: (hits: readonly boolean[], relevant: number) => gain(hits, 10) / gain(ideal(relevant), 10),
  /** 1 / rank of the first that is relevant, 0 where none of the first 10 is. */
  mrr_at_10(hits: readonly boolean[]) {
    const first = hits.slice(0, 10).indexOf(true);
    return first < 0 ? 0 : 1 / (first + 1);
  },
  recall_at_1: (hits: readonly boolean[], relevant: number) => found(hits, 1) / relevant,
  recall_at_5: (hits: readonly boolean[], relevant: number) => found(hits, 5) / relevant,
  recall_at_10: (hits: readonly boolean[], relevant: number) => found(hits, 10) / relevant,
  /** The mean of the precisions at the places of what is relevant among the first 100, over as many as could be there. */
  map_at_100(hits: readonly boolean[], relevant: number) {
    let [count, sum] = [0, 0];
    for (const [i, hit] of hits.slice(0, 100).entries()) if (hit) sum += ++count / (i + 1);
    return sum / Math.min(100, relevant);
  },
} satisfies Readonly<Record<string, (hits: readonly boolean[], relevant: number) => number>>;

/** Name of a metric of rankings. */
export type RankingMetric = keyof typeof measures;
/** Names of all {@link RankingMetric}s, the usual first one first. */
export const rankingMetrics = Object.keys(measures) as RankingMetric[];

/** Ranks beyond it are read by no metric. */
const depth = 100;

/** A query's scores of all that could be found, and which of them are relevant. */
export interface RankedQuery {
  /** [corpus]; the higher, the sooner it is found. */
  readonly scores: ArrayLike<number>;
  /** Positions in the corpus: at least one. */
  readonly relevant: ReadonlySet<number>;
  /** A position that is left out, where a text would find itself. */
  readonly without?: number | undefined;
}

/**
 * Metrics of a query's ranking, as sentence-transformers' InformationRetrievalEvaluator computes them. Of equal scores the
 * earlier position is found first.
 */
export function rankingScores({ scores, relevant, without }: RankedQuery): Readonly<Record<RankingMetric, number>> {
  const hits = bestPositions(scores, without).map((position) => relevant.has(position));
  return Object.fromEntries(
    Object.entries(measures).map(([name, measure]) => [name, measure(hits, relevant.size)]),
  ) as Record<RankingMetric, number>;
}

function bestPositions(scores: ArrayLike<number>, without: number | undefined): number[] {
  const positions = Array.from({ length: scores.length }, (_, i) => i).filter((i) => i !== without);
  return positions.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, depth);
}

function gain(hits: readonly boolean[], first: number): number {
  return hits.slice(0, first).reduce((sum, hit, i) => sum + (hit ? 1 / Math.log2(i + 2) : 0), 0);
}

const ideal = (relevant: number) => new Array<boolean>(relevant).fill(true);

const found = (hits: readonly boolean[], first: number) => hits.slice(0, first).filter(Boolean).length;
