import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accuracy, argmaxRows, computeMetrics, f1, matthews, pearson, spearman } from '../../src/metrics/metrics.js';

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

describe('computeMetrics', () => {
  it("gives the task's metrics, in its order, from the largest logit of each row", () => {
    const task = { kind: 'classification', labels: ['ham', 'spam'], metrics: ['matthews', 'accuracy'] } as const;
    const scores = computeMetrics(task, Float32Array.of(2, 1, -3, 0, 1, 0, 0, 1), [0, 1, 1, 0]);
    expect(Object.entries(scores)).toEqual([
      ['matthews', 0],
      ['accuracy', 0.5],
    ]);
  });

  it('takes a column of scores for regression', () => {
    const task = { kind: 'regression', labels: [], metrics: ['pearson'] } as const;
    expect(computeMetrics(task, Float32Array.of(1, 2, 4), Float32Array.of(2, 4, 8)).pearson).toBeCloseTo(1, 12);
  });

  it('breaks ties for the lower class', () => {
    expect([...argmaxRows(Float32Array.of(1, 1, 0, 0, 2, 2), 3)]).toEqual([0, 1]);
  });

  it('refuses outputs that are not finite', () => {
    const task = { kind: 'regression', labels: [], metrics: ['pearson'] } as const;
    expect(() => computeMetrics(task, Float32Array.of(1, Number.NaN), [1, 2])).toThrow(/diverged/);
  });

  it('refuses a number of logits that does not fit the rows', () => {
    const task = { kind: 'classification', labels: ['a', 'b'], metrics: ['accuracy'] } as const;
    expect(() => computeMetrics(task, new Float32Array(5), [0, 1])).toThrow(/5 logits/);
  });
});
