import { describe, expect, it } from 'vitest';
import { hasFallen, ranked, type TrialOutcome } from '../../../src/jobs/compare/rates.js';
import { constantScore } from '../../../src/metrics/constantScore.js';
import type { MetricName } from '../../../src/metrics/names.js';

const done = (score: number | null, constant?: number, metric: MetricName = 'accuracy'): TrialOutcome => ({
  status: 'done',
  scores: { [metric]: score, f1: 1 },
  ...(constant === undefined ? {} : { constant }),
});
const failed: TrialOutcome = { status: 'failed' };
const choose = (...trials: (TrialOutcome | undefined)[][]) =>
  ranked(trials.map((of, i) => ({ lr: i + 1, trials: of })))[0]!.lr;

describe('the rate of a method', () => {
  it.each<[string, (TrialOutcome | undefined)[][], number]>([
    [
      'has the best mean over the seeds',
      [
        [done(0.7), done(0.8)],
        [done(0.79), done(0.78)],
        [done(0.6), done(0.6)],
      ],
      2,
    ],
    ['is the earlier of equals', [[done(0.5)], [done(0.75)], [done(0.75)]], 2],
    [
      'is not one that fell for a seed, whatever its mean',
      [
        [done(0.6, 0.5), done(0.6, 0.5)],
        [done(0.99, 0.5), done(0.5, 0.5)],
      ],
      1,
    ],
    [
      'is not one of which a trial failed',
      [
        [failed, done(0.9)],
        [done(0.6), done(0.6)],
      ],
      2,
    ],
    [
      'is not one of which a score is not defined',
      [
        [done(null), done(0.9)],
        [done(0.6), done(0.6)],
      ],
      2,
    ],
    [
      'is not one of which a trial is missing',
      [
        [undefined, done(0.9)],
        [done(0.6), done(0.6)],
      ],
      2,
    ],
    [
      'has the best mean all the same where every one fell',
      [
        [done(0.4, 0.5), done(0.6, 0.5)],
        [done(0.5, 0.5), done(0.7, 0.5)],
      ],
      2,
    ],
    [
      'is of those that fell none without a score',
      [
        [failed, failed],
        [done(0.4, 0.5), done(0.5, 0.5)],
      ],
      2,
    ],
    [
      'is the first where nothing has a score',
      [
        [failed, failed],
        [failed, failed],
      ],
      1,
    ],
    [
      'is the best of one seed, as before there could be several',
      [[done(0.4, 0.5)], [done(0.6, 0.5)], [done(0.5, 0.5)]],
      2,
    ],
    ['is the lower one of a loss', [[done(9, undefined, 'perplexity')], [done(7, undefined, 'perplexity')]], 2],
  ])('%s', (_, trials, expected) => {
    expect(choose(...trials)).toBe(expected);
  });

  it('stands before the others by their means, and those that fell behind all', () => {
    const tried = [[done(0.6, 0.5)], [done(null)], [done(0.9, 0.95)], [done(0.8, 0.5)], [failed], [done(0.6, 0.5)]];
    const order = ranked(tried.map((trials, i) => ({ i, trials }))).map(({ i }) => i);
    expect(order).toEqual([3, 0, 5, 2, 1, 4]);
  });

  it('has fallen at the level of a constant answer, and not above it', () => {
    expect([0.49, 0.5, 0.51].map((score) => hasFallen(done(score, 0.5)))).toEqual([true, true, false]);
    expect(hasFallen(done(0.01))).toBe(false);
  });
});

describe('the best that one answer for all examples can score', () => {
  it.each<[MetricName, number[] | undefined, number, number | undefined]>([
    // Three of five are of class 1.
    ['accuracy', [1, 1, 0, 1, 0], 2, 0.6],
    // All taken for class 1: precision 0.6, recall 1.
    ['f1', [1, 1, 0, 1, 0], 2, (2 * 0.6) / 1.6],
    ['matthews', [1, 1, 0, 1, 0], 2, 0],
    ['pearson', [0.5, 3, 4], 1, 0],
    ['exact_match', undefined, 0, 0],
    ['f1', undefined, 0, 0],
    ['perplexity', undefined, 0, undefined],
    ['log_likelihood', undefined, 0, undefined],
  ])('is known of %s of %j', (name, expected, labels, level) => {
    const found = constantScore(name, expected, labels);
    if (level === undefined) expect(found).toBeUndefined();
    else expect(found).toBeCloseTo(level, 12);
  });
});
