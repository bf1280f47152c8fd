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

/**
 * Says of which metrics the value tells nothing because predictions or labels are all the same.
 * @param nameOf what a value is called
 */
export function emptyScores(
  names: readonly MetricName[],
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
  nameOf: (value: number) => string,
): string[] {
  const reason = [
    ...(expected.length < 2 ? ['there are fewer than two rows'] : []),
    ...(isConstant(expected) ? [`every label is ${nameOf(expected[0]!)}`] : []),
    ...(isConstant(predicted) ? [`every prediction is ${nameOf(predicted[0]!)}`] : []),
  ][0];
  if (reason === undefined) return [];
  return names.flatMap((name) => {
    const { ofConstants } = metrics[name];
    return ofConstants === undefined ? [] : [`${name} is ${ofConstants} and tells nothing: ${reason}.`];
  });
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return values.length > 0;
}
