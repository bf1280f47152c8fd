import { type MetricName, metrics } from './names.js';
import type { Scores } from './scores.js';

/**
 * Metrics of a class or a score of each row.
 * @param expected classes or scores, as many as `predicted`
 * @param numLabels number of classes; 1 for scores
 */
export function rowScores(
  names: readonly MetricName[],
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
  numLabels: number,
): Scores {
  if (predicted.length !== expected.length) {
    throw new Error(`${predicted.length} predictions do not belong to ${expected.length} rows`);
  }
  return Object.fromEntries(names.map((name) => [name, rowScore(name, predicted, expected, numLabels)]));
}

/** One metric of them. */
export function rowScore(
  name: MetricName,
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
  numLabels: number,
): number {
  const { ofRows } = metrics[name];
  if (ofRows === undefined) throw new Error(`${name} is no metric of classes or scores`);
  return ofRows(predicted, expected, numLabels);
}
