import { metric } from '../data/metrics.js';
import type { MetricName, Task } from '../data/types.js';
import { randomStream } from '../random.js';

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

/** What two methods predicted with one seed. */
export interface PairedPredictions {
  readonly one: readonly number[];
  readonly other: readonly number[];
}

const resamples = 2000;

/**
 * Mean over seeds of the metric of `one` minus that of `other`, with a 95 % percentile bootstrap interval (Efron and
 * Tibshirani, 1993, chapter 13) that resamples both what chance enters by: the seeds, and the examples of the split, the
 * same for both methods.
 * @param labels class or score of each example
 */
export function pairedDifference(
  pairs: readonly PairedPredictions[],
  labels: readonly number[],
  name: MetricName,
  task: Pick<Task, 'labels'>,
): Interval {
  const n = labels.length;
  const stream = randomStream(0, 'bootstrap');
  const rows = new Int32Array(n);
  const [drawn, expected] = [new Float64Array(n), new Float64Array(n)];
  const score = (predicted: readonly number[]) => {
    for (let i = 0; i < n; i++) drawn[i] = predicted[rows[i]!]!;
    return metric(name, drawn, expected, task.labels.length);
  };
  const differences = (chosen: readonly PairedPredictions[]) => {
    for (let i = 0; i < n; i++) expected[i] = labels[rows[i]!]!;
    return mean(chosen.map(({ one, other }) => score(one) - score(other)));
  };
  for (let i = 0; i < n; i++) rows[i] = i;
  const observed = differences(pairs);
  const values = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    const chosen = pairs.map(() => pairs[Math.floor(stream.uniform() * pairs.length)]!);
    for (let i = 0; i < n; i++) rows[i] = Math.floor(stream.uniform() * n);
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
