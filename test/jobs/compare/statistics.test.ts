import { describe, expect, it } from 'vitest';
import {
  labelScore,
  mean,
  pairedDifference,
  quantile,
  sampleDeviation,
  sumScore,
} from '../../../src/jobs/compare/statistics.js';
import type { MetricName } from '../../../src/metrics/names.js';
import { randomStream } from '../../../src/random.js';

describe('mean and deviation', () => {
  it('are those of a sample', () => {
    // statistics.mean and statistics.stdev of Python.
    expect(mean([2, 4, 4, 4, 5, 5, 7, 9])).toBe(5);
    expect(sampleDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(2.138089935299395, 14);
    expect(sampleDeviation([3])).toBeUndefined();
  });

  it('have quantiles as numpy', () => {
    // numpy.quantile([1, 2, 4, 8], [0, 0.025, 0.5, 0.975, 1])
    const of = [0, 0.025, 0.5, 0.975, 1].map((share) => quantile([1, 2, 4, 8], share));
    for (const [i, expected] of [1, 1.075, 3, 7.7, 8].entries()) expect(of[i]).toBeCloseTo(expected, 12);
  });
});

describe('paired differences', () => {
  const labels = Array.from({ length: 200 }, (_, i) => i % 2);
  const scoreBy = (name: MetricName) => labelScore(labels, name, { labels: ['no', 'yes'] });
  /** Right but for every n-th. */
  const wrongAt = (n: number) => labels.map((label, i) => (i % n === 0 ? 1 - label : label));

  it('are the difference of the mean scores, within their interval', () => {
    const pairs = [wrongAt(10), wrongAt(20)].map((one) => ({ one, other: wrongAt(4) }));
    const { mean: center, low, high } = pairedDifference(pairs, labels.length, scoreBy('accuracy'));
    expect(center).toBeCloseTo((0.9 + 0.95) / 2 - 0.75, 12);
    expect(low).toBeLessThan(center);
    expect(high).toBeGreaterThan(center);
    expect(low).toBeGreaterThan(0);
  });

  it('are nothing where both predict the same, and leave chance its room where they differ by noise', () => {
    const same = [{ one: wrongAt(3), other: wrongAt(3) }];
    expect(pairedDifference(same, labels.length, scoreBy('matthews'))).toEqual({ mean: 0, low: 0, high: 0 });
    const noise = (seed: number) => {
      const stream = randomStream(seed, 'noise');
      return labels.map((label) => (stream.uniform() < 0.2 ? 1 - label : label));
    };
    const { low, high } = pairedDifference([{ one: noise(1), other: noise(2) }], labels.length, scoreBy('accuracy'));
    expect(low).toBeLessThan(0);
    expect(high).toBeGreaterThan(0);
  });

  it('come out the same every time', () => {
    const pairs = [{ one: wrongAt(7), other: wrongAt(5) }];
    const twice = [0, 1].map(() => pairedDifference(pairs, labels.length, scoreBy('f1')));
    expect(twice[0]).toEqual(twice[1]);
  });

  it('of metrics that sums decide are those of the same metric from labels', () => {
    const pairs = [wrongAt(10), wrongAt(20)].map((one) => ({ one, other: wrongAt(4) }));
    const hits = (predicted: readonly number[]) => predicted.map((one, i) => [one === labels[i] ? 1 : 0]);
    const summed = pairs.map(({ one, other }) => ({ one: hits(one), other: hits(other) }));
    const [bySums, byLabels] = [
      pairedDifference(summed, labels.length, sumScore('exact_match')),
      pairedDifference(pairs, labels.length, scoreBy('accuracy')),
    ];
    for (const key of ['mean', 'low', 'high'] as const) expect(bySums[key]).toBeCloseTo(byLabels[key], 12);
  });

  it('cover the true difference in about 95 of 100 cases', () => {
    let covered = 0;
    for (let round = 0; round < 60; round++) {
      const stream = randomStream(round, 'coverage');
      const draw = (error: number) => labels.map((label) => (stream.uniform() < error ? 1 - label : label));
      const pairs = [0, 1, 2].map(() => ({ one: draw(0.2), other: draw(0.3) }));
      const { low, high } = pairedDifference(pairs, labels.length, scoreBy('accuracy'));
      if (low <= 0.1 && 0.1 <= high) covered++;
    }
    // Binomial with 60 draws of 0.95: below 52 in less than one case of a thousand.
    expect(covered).toBeGreaterThanOrEqual(52);
  });
});
