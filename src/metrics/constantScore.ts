import { isBetter, type MetricName, metrics } from './names.js';
import { rowScore } from './ofRows.js';

/**
 * The best value of a metric that an answer can have which is the same for all examples: of classes that of the best class,
 * of correlations 0, of what is counted right in answers 0.
 * @param expected class or score of each example; undefined where the examples have none
 * @param numLabels number of classes; 1 for scores
 * @returns undefined where no such value is known: of likelihoods
 */
export function constantScore(
  name: MetricName,
  expected: readonly number[] | undefined,
  numLabels: number,
): number | undefined {
  const { ofRows, ofConstants, hasNoFloor } = metrics[name];
  if (hasNoFloor) return undefined;
  if (ofConstants !== undefined || ofRows === undefined || expected === undefined) return 0;
  const scores = Array.from({ length: numLabels }, (_, label) =>
    rowScore(name, new Int32Array(expected.length).fill(label), expected, numLabels),
  );
  return scores.reduce((best, score) => (isBetter(name, score, best) ? score : best), Number.NaN);
}
