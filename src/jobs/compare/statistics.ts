import type { WeightedLoss } from '../../engine/exampleLosses.js';
import type { MetricName } from '../../metrics/names.js';
import { rowScore } from '../../metrics/ofRows.js';
import { scoreOfSums } from '../../metrics/text/sums.js';
import { randomStream } from '../../random.js';
import type { Task } from '../../tasks/task.js';

export function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

/** Standard deviation of a sample (n − 1); undefined for one value. */
export function sampleDeviation(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, one) => sum + (one - center) ** 2, 0) / (values.length - 1));
}

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** What two methods made of each example with one seed. */
export interface Pair<T> {
  readonly one: readonly T[];
  readonly other: readonly T[];
}

/** The score of the examples `rows`, which may hold one several times. */
export type ScoreRows<T> = (made: readonly T[], rows: Int32Array) => number;

/**
 * A metric of predicted classes or scores.
 * @param labels class or score of each example
 */
export function labelScore(labels: readonly number[], name: MetricName, task: Pick<Task, 'labels'>): ScoreRows<number> {
  const [drawn, expected] = [new Float64Array(labels.length), new Float64Array(labels.length)];
  return (predicted, rows) => {
    for (const [i, row] of rows.entries()) {
      drawn[i] = predicted[row]!;
      expected[i] = labels[row]!;
    }
    return rowScore(name, drawn, expected, task.labels.length);
  };
}

/** A metric that sums over examples decide. */
export function sumScore(name: MetricName): ScoreRows<readonly number[]> {
  return (statistics, rows) => {
    const sums = new Array<number>(statistics[0]!.length).fill(0);
    for (const row of rows) for (const [k, value] of statistics[row]!.entries()) sums[k]! += value;
    return scoreOfSums(name, sums, rows.length);
  };
}

/** A mean loss. Of each example: its loss times its weight in the mean, and its weight. */
export const lossScore: ScoreRows<WeightedLoss> = (losses, rows) => {
  let [sum, weight] = [0, 0];
  for (const row of rows) [sum, weight] = [sum + losses[row]![0], weight + losses[row]![1]];
  return sum / weight;
};

const resamples = 2000;

/**
 * Mean over seeds of the score of `one` minus that of `other`, with a 95 % percentile bootstrap interval (Efron and
 * Tibshirani, 1993, chapter 13) that resamples both what chance enters by: the seeds, and the examples of the split, the
 * same for both methods.
 * @param examples number of examples of the split
 */
export function pairedDifference<T>(pairs: readonly Pair<T>[], examples: number, score: ScoreRows<T>): Interval {
  const stream = randomStream(0, 'bootstrap');
  const rows = Int32Array.from({ length: examples }, (_, i) => i);
  const differences = (chosen: readonly Pair<T>[]) =>
    mean(chosen.map(({ one, other }) => score(one, rows) - score(other, rows)));
  const observed = differences(pairs);
  const values = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    const chosen = pairs.map(() => pairs[Math.floor(stream.uniform() * pairs.length)]!);
    for (let i = 0; i < examples; i++) rows[i] = Math.floor(stream.uniform() * examples);
    values[r] = differences(chosen);
  }
  values.sort();
  return { mean: observed, low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/** Linear between order statistics (type 7 of Hyndman and Fan, as in numpy). */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}
