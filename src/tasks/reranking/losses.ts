import type { EncodedExample } from '../../engine/batch.js';
import { rowsOf } from '../../engine/batching.js';
import type { Objective } from '../../engine/objective.js';
import { constant, input, ops, type Tensor } from '../../graph/index.js';

/** A loss of the scores of queries' candidates. */
interface RankingLoss {
  /** A score is learned by itself, as the share of what is relevant: from 0 to 1. */
  readonly isOfEach: boolean;
  /** What the loss reads of each row, so many numbers. */
  readonly width: number;
  /** @param queries the relevances of each query's candidates; to each of them its numbers */
  labels(queries: readonly (readonly number[])[]): readonly (readonly (readonly number[])[])[];
  /** What the mean is over: candidates, queries, or pairs of candidates. */
  weight(queries: readonly (readonly number[])[]): number;
  /** A scalar, from logits [batch, 1] and the columns [batch, 1] of the labels. */
  loss(logits: Tensor, columns: readonly Tensor[]): Tensor;
}

const total = (x: Tensor) => ops.sum(x, { axes: [0, 1], keepDims: false });
const magnitude = (x: Tensor) => ops.add(ops.relu(x), ops.relu(ops.neg(x)));
const flipped = (column: Tensor) => ops.reshape(column, [1, 'batch']);
/** [batch, batch]: the row's entry less the column's. */
const differences = (column: Tensor) => ops.sub(column, flipped(column));
/** 1 where a > b, else 0. */
const above = (a: Tensor, b: Tensor) => ops.where(ops.greater(a, b), constant(1), constant(0));
const oneMinus = (x: Tensor) => ops.sub(constant(1), x);
/** [batch, batch]: 1 where two rows are of one query, by the queries' numbers. */
const ofOneQuery = (query: Tensor) => above(constant(0.5), magnitude(differences(query)));
/** log₂ x */
const log2 = (x: Tensor) => ops.scale(ops.log(x), 1 / Math.LN2);
const inverse = (x: Tensor) => ops.div(constant(1), x);
/** log(1 + e^−|x|) */
const softening = (x: Tensor) => ops.log(ops.add(ops.exp(ops.neg(magnitude(x))), constant(1)));

/** −y log σ(s) − (1 − y) log(1 − σ(s)), the mean over candidates (sentence-transformers' BinaryCrossEntropyLoss). */
const binaryCrossEntropy: RankingLoss = {
  isOfEach: true,
  width: 1,
  labels: (queries) => queries.map((relevances) => relevances.map((one) => [one])),
  weight: (queries) => queries.reduce((sum, { length }) => sum + length, 0),
  loss(logits, [relevance]) {
    const each = ops.add(ops.sub(ops.relu(logits), ops.mul(logits, relevance!)), softening(logits));
    return ops.mean(each, { axes: [0, 1], keepDims: false });
  },
};

/** Pairs of a query's candidates of which the first is the more relevant one. */
function pairsIn(queries: readonly (readonly number[])[]): number {
  const of = (relevances: readonly number[]) =>
    relevances.reduce((sum, one) => sum + relevances.filter((other) => other < one).length, 0);
  return queries.reduce((sum, relevances) => sum + of(relevances), 0);
}

/** −log₂ σ(sᵢ − sⱼ), weighted, the mean over pairs of which i is more relevant than j. */
function overPairs(weights: (logits: Tensor, same: Tensor, gain: Tensor) => Tensor): RankingLoss {
  return {
    isOfEach: false,
    width: 3,
    labels: (queries) =>
      queries.map((relevances, query) => {
        const gains = gainsOf(relevances);
        return relevances.map((relevance, i) => [query, relevance, gains[i]!]);
      }),
    weight: pairsIn,
    loss(logits, [query, relevance, gain]) {
      const same = ofOneQuery(query!);
      const counted = ops.mul(same, above(differences(relevance!), constant(0)));
      const apart = differences(logits);
      const cost = ops.scale(ops.add(ops.relu(ops.neg(apart)), softening(apart)), 1 / Math.LN2);
      const weight = ops.mul(counted, weights(ops.stopGradient(logits), same, gain!));
      const pairs = ops.add(ops.relu(ops.sub(total(counted), constant(1))), constant(1));
      return ops.div(total(ops.mul(weight, cost)), pairs);
    },
  };
}

/** (2^y − 1) / the largest DCG that the candidates can have. */
function gainsOf(relevances: readonly number[]): number[] {
  const gains = relevances.map((one) => 2 ** Math.max(0, one) - 1);
  const best = [...gains].sort((a, b) => b - a).reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
  return gains.map((gain) => gain / Math.max(best, 1e-10));
}

/** All pairs count alike (Burges et al. 2005; sentence-transformers' RankNetLoss). */
const rankNet = overPairs((_logits, same) => same);

/** μ of NDCG-Loss2++. */
const mu = 10;

/**
 * Pairs count by what their places do to the nDCG: NDCG-Loss2++, |Gᵢ − Gⱼ| (μ |1/D(|rᵢ − rⱼ|) − 1/D(|rᵢ − rⱼ| + 1)| +
 * |1/D(rᵢ) − 1/D(rⱼ)|), D(r) = log₂(1 + r), ranks being those of the scores (Wang et al., CIKM 2018, section 5;
 * sentence-transformers' LambdaLoss). Of equal scores the earlier candidate has the lower rank.
 */
const lambda = overPairs((logits, same, gain) => {
  const places = ops.reshape(ops.cast(ops.range('batch'), 'float32'), ['batch', 1]);
  const later = above(differences(places), constant(0));
  const lower = above(flipped(logits), logits);
  const either = ops.add(lower, above(logits, flipped(logits)));
  const isBehind = ops.mul(same, ops.add(lower, ops.mul(oneMinus(either), later)));
  const rank = ops.add(ops.sum(isBehind, { axes: [1], keepDims: true }), constant(1));
  const atRank = inverse(log2(ops.add(rank, constant(1))));
  const gap = ops.add(ops.relu(ops.sub(magnitude(differences(rank)), constant(1))), constant(1));
  const [near, next] = [1, 2].map((more) => inverse(log2(ops.add(gap, constant(more)))));
  const byGap = ops.scale(magnitude(ops.sub(near!, next!)), mu);
  return ops.mul(magnitude(differences(gain)), ops.add(byGap, magnitude(differences(atRank))));
});

/** What keeps a row out of a sum of exponentials. */
const never = -1e12;

/**
 * Cross-entropy of the softmax of the scores to that of the relevances, the mean over queries (Cao et al. 2007;
 * sentence-transformers' ListNetLoss).
 */
const listNet: RankingLoss = {
  isOfEach: false,
  width: 3,
  labels: (queries) =>
    queries.map((relevances, query) => {
      const most = Math.max(...relevances);
      const exponentials = relevances.map((one) => Math.exp(one - most));
      const sum = exponentials.reduce((all, one) => all + one, 0);
      return exponentials.map((one) => [query, one / sum, 1 / relevances.length]);
    }),
  weight: (queries) => queries.length,
  loss(logits, [query, probability, share]) {
    const places = ops.reshape(ops.cast(ops.range('batch'), 'float32'), ['batch', 1]);
    const itself = ofOneQuery(places);
    const others = ops.scale(oneMinus(ofOneQuery(query!)), never);
    const log = ops.logSoftmax(ops.add(flipped(logits), others));
    return ops.neg(ops.div(total(ops.mul(ops.mul(log, itself), probability!)), total(share!)));
  },
};

/** Losses by the names of sentence-transformers' for cross-encoders. */
export const rankingLosses = {
  BinaryCrossEntropyLoss: binaryCrossEntropy,
  LambdaLoss: lambda,
  RankNetLoss: rankNet,
  ListNetLoss: listNet,
} as const satisfies Readonly<Record<string, RankingLoss>>;

/** Name of a loss of rankings. */
export type RankingLossName = keyof typeof rankingLosses;
export const rankingLossNames = Object.keys(rankingLosses) as [RankingLossName, ...RankingLossName[]];

/** What is learned with a loss: of one score a row, the candidates of a query being the texts of an example. */
export function rankingObjective(name: RankingLossName): Objective {
  const chosen: RankingLoss = rankingLosses[name];
  return {
    labels(examples) {
      const queries = relevancesOf(examples);
      if (queries === undefined) return undefined;
      const ofRow = new Map<EncodedExample, readonly number[]>();
      for (const [i, numbers] of chosen.labels(queries).entries()) {
        for (const [k, one] of candidatesOf(examples[i]!).entries()) ofRow.set(one, numbers[k]!);
      }
      const rows = rowsOf(examples);
      return {
        data: Float32Array.from(rows.flatMap((row) => ofRow.get(row)!)),
        shape: [rows.length, chosen.width],
      };
    },
    reads: 'all',
    // A query's candidates are one example, so that parts of a batch are of whole queries.
    parts: 'apart',
    weight({ rows = [] }) {
      const queries = new Map<number, number[]>();
      for (const { index, label } of rows) queries.set(index, [...(queries.get(index) ?? []), label!]);
      return chosen.weight([...queries.values()]);
    },
    loss(logits) {
      const labels = input('labels', 'float32', ['batch', chosen.width]);
      const columns = Array.from({ length: chosen.width }, (_, start) =>
        ops.slice(labels, { axis: 1, start, length: 1 }),
      );
      return chosen.loss(logits, columns);
    },
  };
}

const candidatesOf = (example: EncodedExample) => [example, ...(example.further ?? [])];

/** The relevances of each query's candidates; undefined where one is missing. */
function relevancesOf(examples: readonly EncodedExample[]): number[][] | undefined {
  const each = examples.map((example) => candidatesOf(example).map(({ label }) => label));
  return each.flat().includes(undefined) ? undefined : (each as number[][]);
}
