import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { corpusMetric, corpusMetricNames, corpusScore } from '../../../src/metrics/text/index.js';
import { python, someExamples, sum } from './fixture.js';

describe('corpus metrics', () => {
  it.each(python.corpora)("give the reference implementations' scores: $name", ({ texts, references, ...scores }) => {
    const score = (name: (typeof corpusMetricNames)[number]) => {
      const metric = corpusMetric(name, references);
      return corpusScore(
        metric,
        texts.map((text, i) => metric.statistics(text, references[i]!)),
      );
    };
    expect(score('bleu')).toBeCloseTo(scores.bleu / 100, 11);
    if (scores.nist !== null) expect(score('nist')).toBeCloseTo(scores.nist, 8);
    expect(score('rouge_l')).toBeCloseTo(scores.rougeL.reduce((a, b) => a + b) / texts.length, 11);
  });

  it.each(corpusMetricNames)('%s of a whole is decided by the sums over its parts', (name) => {
    fc.assert(
      fc.property(someExamples, someExamples, (first, second) => {
        const all = [...first, ...second];
        const metric = corpusMetric(
          name,
          all.map(({ references }) => references),
        );
        const of = (examples: typeof all) => sum(examples.map((one) => metric.statistics(one.text, one.references)));
        const parts = sum([of(first), of(second)]);
        const whole = corpusScore(
          metric,
          all.map((one) => metric.statistics(one.text, one.references)),
        );
        expect(metric.score(parts, all.length)).toBeCloseTo(whole, 10);
      }),
    );
  });

  it.each(corpusMetricNames)('%s does not depend on the order of examples', (name) => {
    fc.assert(
      fc.property(someExamples, (examples) => {
        const metric = corpusMetric(
          name,
          examples.map(({ references }) => references),
        );
        const statistics = examples.map((one) => metric.statistics(one.text, one.references));
        expect(corpusScore(metric, [...statistics].reverse())).toBeCloseTo(corpusScore(metric, statistics), 10);
      }),
    );
  });

  it('exact_match is the share of texts that equal a reference, both normalized', () => {
    const metric = corpusMetric('exact_match', []);
    const statistics = [metric.statistics('The Mill.', ['a pub', 'the mill']), metric.statistics('Mill', ['a pub'])];
    expect(corpusScore(metric, statistics)).toBe(0.5);
  });

  it('of no examples: sums are 0, means are not a number', () => {
    expect(corpusMetricNames.map((name) => corpusScore(corpusMetric(name, []), []))).toEqual([
      0,
      0,
      NaN,
      NaN,
      NaN,
      NaN,
      NaN,
    ]);
  });
});
