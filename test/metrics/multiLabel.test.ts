import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import {
  bestThresholds,
  labelF1s,
  labelsAbove,
  multiLabelMetricNames,
  multiLabelScores,
  multiLabelStatistics,
} from '../../src/metrics/multiLabel.js';
import { scoreOfSums, sumsOf } from '../../src/metrics/text/sums.js';

interface Fixture {
  readonly scores: readonly {
    name: string;
    labels: number;
    expected: number[];
    predicted: number[];
    micro_f1: number;
    macro_f1: number;
    subset_accuracy: number;
    f1: number[];
  }[];
  readonly thresholds: readonly {
    name: string;
    labels: number;
    expected: number[];
    probabilities: number[];
    highestF1: number[];
  }[];
}

/** Made with scikit-learn by test/oracle/multi_label_fixture.py. */
const python = JSON.parse(readFileSync(new URL('fixtures/multiLabel.json', import.meta.url), 'utf8')) as Fixture;

describe('scores of several labels', () => {
  it.each(python.scores)("are scikit-learn's: $name", ({ labels, expected, predicted, f1, ...scores }) => {
    const found = multiLabelScores(predicted, expected, labels);
    for (const name of multiLabelMetricNames) expect(found[name], name).toBeCloseTo(scores[name], 12);
    for (const [k, one] of labelF1s(predicted, expected, labels).entries()) expect(one).toBeCloseTo(f1[k]!, 12);
  });

  it.each(python.scores)('are decided by sums over examples: $name', ({ labels, expected, predicted }) => {
    const row = (matrix: number[], n: number) => matrix.slice(n * labels, (n + 1) * labels);
    const each = Array.from({ length: expected.length / labels }, (_, n) =>
      multiLabelStatistics(row(predicted, n), row(expected, n)),
    );
    const whole = multiLabelScores(predicted, expected, labels);
    for (const name of multiLabelMetricNames) {
      const sums = sumsOf(each.map((one) => one[name]));
      expect(scoreOfSums(name, sums, each.length)).toBe(whole[name]);
    }
  });

  it('of no examples are 0, but for the subset accuracy', () => {
    expect(multiLabelScores([], [], 3)).toEqual({ micro_f1: 0, macro_f1: 0, subset_accuracy: Number.NaN });
  });

  it('refuse what does not make rows of labels', () => {
    expect(() => multiLabelScores([1, 0], [1, 0], 3)).toThrow('2 predicted and 2 expected do not make rows of 3');
    expect(() => multiLabelStatistics([1], [1, 0])).toThrow('1 predicted and 2 expected do not make rows of 2');
  });
});

describe('thresholds of labels', () => {
  it.each(python.thresholds)("reach the highest F1 on scikit-learn's precision-recall curve: $name", (row) => {
    const { labels, expected, probabilities, highestF1 } = row;
    const predicted = labelsAbove(probabilities, bestThresholds(probabilities, expected, labels));
    for (const [k, f1] of labelF1s(predicted, expected, labels).entries()) expect(f1).toBeCloseTo(highestF1[k]!, 12);
  });

  it('are the best of all middles, the nearest to one half of equals, the lower of two as near', () => {
    const example = fc.tuple(fc.integer({ min: 0, max: 8 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(example, { minLength: 1, maxLength: 12 }), (examples) => {
        // Eighths, so that middles and their distances are exact.
        const probabilities = examples.map(([eighths]) => eighths / 8);
        const expected = examples.map(([, has]) => (has ? 1 : 0));
        const sorted = [...new Set([0, ...probabilities])].sort((a, b) => a - b);
        const middles = sorted.slice(1).map((high, i) => (sorted[i]! + high) / 2);
        const tried = [...middles, ...(probabilities.includes(0) ? [0] : [])].map((threshold) => {
          const [f1] = labelF1s(labelsAbove(probabilities, [threshold]), expected, 1);
          return { threshold, f1: f1! };
        });
        const far = (threshold: number) => Math.abs(threshold - 0.5);
        tried.sort((a, b) => b.f1 - a.f1 || far(a.threshold) - far(b.threshold) || a.threshold - b.threshold);
        const best = expected.includes(1) ? tried[0]!.threshold : 0.5;
        expect(bestThresholds(probabilities, expected, 1)).toEqual([best]);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('lie between the probabilities of examples with the label and without', () => {
    // Columns: parted at 0.3; both examples have it; none has it.
    const probabilities = [0.4, 0.8, 0.9, 0.2, 0.2, 0.1];
    const expected = [1, 1, 0, 0, 1, 0];
    expect(bestThresholds(probabilities, expected, 3)).toEqual([(0.4 + 0.2) / 2, 0.1, 0.5]);
  });

  it('part neighbours between which no number lies', () => {
    const above = 0.25 + 2 ** -54;
    const [threshold] = bestThresholds([0.25, above], [0, 1], 1);
    expect(above).toBeGreaterThan(0.25);
    expect([...labelsAbove([0.25, above], [threshold!])]).toEqual([0, 1]);
  });

  it.each([Number.NaN, 1.5, -0.1])('refuse %s, which is no probability', (value) => {
    expect(() => bestThresholds([0.5, value], [1, 0], 1)).toThrow(DiffoError);
    expect(() => bestThresholds([0.5, value], [1, 0], 1)).toThrow(/outside of 0 to 1: training has diverged/);
  });
});
