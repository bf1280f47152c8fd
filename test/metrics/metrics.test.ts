import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accuracy, argmaxRows, f1, matthews, pearson, spearman } from '../../src/metrics/metrics.js';
import { isBetter, metricNames } from '../../src/metrics/names.js';
import { rowScores } from '../../src/metrics/ofRows.js';

interface Fixture {
  readonly classification: readonly {
    name: string;
    numLabels: number;
    expected: number[];
    predicted: number[];
    matthews: number;
    accuracy: number;
    f1: number;
  }[];
  readonly regression: readonly {
    name: string;
    expected: number[];
    predicted: number[];
    pearson: number | null;
    spearman: number | null;
  }[];
}

/** Made with scikit-learn and scipy by test/oracle/metrics_fixture.py. */
const python = JSON.parse(readFileSync(new URL('fixtures/metrics.json', import.meta.url), 'utf8')) as Fixture;

/** null stands for NaN in the fixture. */
function expectClose(value: number, python: number | null): void {
  if (python === null) expect(value).toBeNaN();
  else expect(value).toBeCloseTo(python, 10);
}

describe('classification metrics', () => {
  it.each(python.classification)("give scikit-learn's numbers: $name", (row) => {
    expect(matthews(row.predicted, row.expected)).toBeCloseTo(row.matthews, 12);
    expect(accuracy(row.predicted, row.expected)).toBeCloseTo(row.accuracy, 12);
    expect(f1(row.predicted, row.expected, row.numLabels)).toBeCloseTo(row.f1, 12);
  });
});

describe('regression metrics', () => {
  it.each(python.regression)("give scipy's numbers: $name", (row) => {
    expectClose(pearson(row.predicted, row.expected), row.pearson);
    expectClose(spearman(row.predicted, row.expected), row.spearman);
  });

  it('are undefined for a single row', () => {
    expect(pearson([1], [2])).toBeNaN();
    expect(spearman([1], [2])).toBeNaN();
  });
});

describe('rowScores', () => {
  it("gives a task's metrics, in its order", () => {
    const predicted = argmaxRows(Float32Array.of(2, 1, -3, 0, 1, 0, 0, 1), 2);
    expect(Object.entries(rowScores(['matthews', 'accuracy'], predicted, [0, 1, 1, 0], 2))).toEqual([
      ['matthews', 0],
      ['accuracy', 0.5],
    ]);
    expect(rowScores(['pearson'], Float32Array.of(1, 2, 4), Float32Array.of(2, 4, 8), 1).pearson).toBeCloseTo(1, 12);
  });

  it('breaks ties for the lower class', () => {
    expect([...argmaxRows(Float32Array.of(1, 1, 0, 0, 2, 2), 3)]).toEqual([0, 1]);
  });

  it('refuses a number of predictions that does not fit the rows, and metrics of other things', () => {
    expect(() => rowScores(['accuracy'], [0, 1, 1], [0, 1], 2)).toThrow(/3 predictions/);
    expect(() => rowScores(['bleu'], [0], [0], 2)).toThrow(/bleu is no metric of classes or scores/);
  });
});

describe('the better of two values', () => {
  it("is the higher one, but of losses and of rejected answers' rewards the lower one; none is worse than an undefined one", () => {
    const lower = metricNames.filter((name) => isBetter(name, 1, 2));
    expect(lower).toEqual(['loss', 'rejected_reward', 'perplexity']);
    expect(metricNames.filter((name) => isBetter(name, 2, 1))).toEqual(
      metricNames.filter((name) => !lower.includes(name)),
    );
    expect([isBetter('f1', 0, Number.NaN), isBetter('f1', Number.NaN, 0), isBetter('f1', 1, 1)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
