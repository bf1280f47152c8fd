import { DiffoError } from '../errors.js';
import { scoreOfSums } from './text/sums.js';

/** Metrics where an example has any number of labels. */
export const multiLabelMetricNames = ['micro_f1', 'macro_f1', 'subset_accuracy'] as const;
export type MultiLabelMetricName = (typeof multiLabelMetricNames)[number];

/**
 * Scores of predicted labels, as scikit-learn's `f1_score` with `average='micro'` or `'macro'` and `zero_division=0`, and
 * its `accuracy_score`. `macro_f1` is the mean over all labels, also those that no example has. The subset accuracy of no
 * examples is not a number.
 *
 * @param predicted [n, numLabels] row-major, 1 where the example has the label, else 0
 * @param expected [n, numLabels] as well
 */
export function multiLabelScores(
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
  numLabels: number,
): Record<MultiLabelMetricName, number> {
  const n = rowsOf(predicted, expected, numLabels);
  const counts = new Array<number>(2 * numLabels).fill(0);
  let right = 0;
  for (let row = 0; row < n; row++) {
    const [found, wanted] = [rowOf(predicted, row, numLabels), rowOf(expected, row, numLabels)];
    for (const [k, value] of labelCounts(found, wanted).entries()) counts[k]! += value;
    right += isSame(found, wanted) ? 1 : 0;
  }
  return {
    micro_f1: scoreOfSums('micro_f1', together(counts), n),
    macro_f1: scoreOfSums('macro_f1', counts, n),
    subset_accuracy: scoreOfSums('subset_accuracy', [right], n),
  };
}

/**
 * F1 of each label, as scikit-learn's `f1_score` with `average=None` and `zero_division=0`. Shapes as for
 * {@link multiLabelScores}.
 *
 * @returns [numLabels]
 */
export function labelF1s(predicted: ArrayLike<number>, expected: ArrayLike<number>, numLabels: number): number[] {
  const n = rowsOf(predicted, expected, numLabels);
  return Array.from({ length: numLabels }, (_, label) => {
    const counts = [0, 0];
    for (let at = label; at < n * numLabels; at += numLabels) {
      counts[0]! += 2 * predicted[at]! * expected[at]!;
      counts[1]! += predicted[at]! + expected[at]!;
    }
    return scoreOfSums('f1', counts, n);
  });
}

/**
 * What an example adds to a metric of several labels; sums over examples decide it (`scoreOfSums`): `micro_f1`
 * [2 · right, predicted + expected], `macro_f1` those two for each label, `subset_accuracy` [1 where all are right].
 *
 * @param predicted [numLabels] of 0 and 1
 * @param expected [numLabels] of 0 and 1
 */
export function multiLabelStatistics(
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
): Record<MultiLabelMetricName, readonly number[]> {
  rowsOf(predicted, expected, expected.length);
  const counts = labelCounts(predicted, expected);
  return { micro_f1: together(counts), macro_f1: counts, subset_accuracy: [isSame(predicted, expected) ? 1 : 0] };
}

/**
 * The labels that an example has by its probabilities: those that are not below their threshold.
 *
 * @param probabilities [n, labels] row-major, 0..1
 * @param thresholds [labels]
 * @returns [n, labels] of 0 and 1
 */
export function labelsAbove(probabilities: ArrayLike<number>, thresholds: readonly number[]): Uint8Array {
  return Uint8Array.from(probabilities, (probability, i) =>
    probability >= thresholds[i % thresholds.length]! ? 1 : 0,
  );
}

/** From where on an example has a label, where no thresholds were chosen. */
export const usualThreshold = 0.5;

/**
 * For each label the threshold with the highest F1 (Lipton, Elkan and Naryanaswamy, 2014, arXiv 1402.1892: it is not one
 * half), for {@link labelsAbove}. Candidates lie in the middle between neighbours of the sorted probabilities of the label,
 * and between 0 and the lowest. Of equal F1 it is the candidate nearest to one half, of two as near the lower. A label that
 * no example has keeps one half: whatever the threshold, its F1 is 0.
 *
 * @param probabilities [n, numLabels] row-major, 0..1, of examples that were not learned from
 * @param expected [n, numLabels] of 0 and 1
 * @returns [numLabels]
 * @throws DiffoError for what is no probability, such as a diverged model gives
 */
export function bestThresholds(
  probabilities: ArrayLike<number>,
  expected: ArrayLike<number>,
  numLabels: number,
): number[] {
  const n = rowsOf(probabilities, expected, numLabels);
  return Array.from({ length: numLabels }, (_, label) => {
    const column = Array.from({ length: n }, (_, row) => ({
      probability: probabilities[row * numLabels + label]!,
      has: expected[row * numLabels + label] === 1,
    }));
    if (!column.every(({ probability }) => probability >= 0 && probability <= 1)) {
      throw new DiffoError(
        'The model gives probabilities outside of 0 to 1: training has diverged. Lower the learning rate.',
      );
    }
    return bestThreshold(column);
  });
}

/** The examples from the highest probability down, each group of equals taken in at once. */
function bestThreshold(column: { readonly probability: number; readonly has: boolean }[]): number {
  const sorted = [...column].sort((a, b) => b.probability - a.probability);
  const positives = sorted.filter(({ has }) => has).length;
  let best = { f1: 0, threshold: usualThreshold };
  let right = 0;
  for (const [i, { probability, has }] of sorted.entries()) {
    if (has) right++;
    const next = sorted[i + 1]?.probability ?? 0;
    if (i + 1 < sorted.length && next === probability) continue;
    const f1 = (2 * right) / (i + 1 + positives);
    const threshold = between(next, probability);
    if (f1 > best.f1 || (f1 === best.f1 && f1 > 0 && fromUsual(threshold) <= fromUsual(best.threshold))) {
      best = { f1, threshold };
    }
  }
  return best.threshold;
}

/** The middle, or the higher where rounding gives the lower back, which is not to be taken in. */
function between(low: number, high: number): number {
  const middle = (low + high) / 2;
  return middle > low ? middle : high;
}

function fromUsual(threshold: number): number {
  return Math.abs(threshold - usualThreshold);
}

/** [2 · right, predicted + expected] of each label of one example, one label after the other. */
function labelCounts(predicted: ArrayLike<number>, expected: ArrayLike<number>): number[] {
  return Array.from({ length: expected.length }, (_, label) => [
    2 * predicted[label]! * expected[label]!,
    predicted[label]! + expected[label]!,
  ]).flat();
}

/** Counts of all labels together. */
function together(counts: readonly number[]): number[] {
  const sums = [0, 0];
  for (const [k, count] of counts.entries()) sums[k % 2]! += count;
  return sums;
}

function isSame(predicted: ArrayLike<number>, expected: ArrayLike<number>): boolean {
  for (let label = 0; label < expected.length; label++) if (predicted[label] !== expected[label]) return false;
  return true;
}

function rowOf(matrix: ArrayLike<number>, row: number, columns: number): number[] {
  return Array.from({ length: columns }, (_, column) => matrix[row * columns + column]!);
}

function rowsOf(predicted: ArrayLike<number>, expected: ArrayLike<number>, numLabels: number): number {
  const n = expected.length / numLabels;
  if (predicted.length !== expected.length || !Number.isInteger(n)) {
    throw new Error(`${predicted.length} predicted and ${expected.length} expected do not make rows of ${numLabels}`);
  }
  return n;
}
