import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nistScore, nistStatistics, nistWeights } from '../../../src/metrics/text/nist.js';
import { python, someExamples, sum } from './fixture.js';

const nist = (texts: readonly string[], references: readonly (readonly string[])[]) => {
  const weights = nistWeights(references);
  return nistScore(sum(texts.map((text, i) => nistStatistics(text, references[i]!, weights))));
};

describe('NIST', () => {
  it.each(python.corpora.filter(({ nist }) => nist !== null))("is nltk's: $name", (corpus) => {
    const ours = nist(corpus.texts, corpus.references);
    expect(Math.abs(ours - corpus.nist!)).toBeLessThanOrEqual(1e-9 * corpus.nist!);
  });

  it.each(python.corpora.filter(({ nist }) => nist === null))(
    'is finite where nltk divides by zero: $name',
    (corpus) => {
      expect(nist(corpus.texts, corpus.references)).toBeGreaterThanOrEqual(0);
    },
  );

  it('leaves out the orders of which no text has an n-gram, as mteval-v13a', () => {
    // a, b: log₂(3/1) each in 2 words; a b: log₂(1/1)
    expect(nist(['a b'], [['a b']])).toBeCloseTo(Math.log2(2), 12);
    expect(nist(['a b', ''], [['a b'], ['c']])).toBeCloseTo(
      Math.log2(3) * Math.exp(Math.log(0.5) * penalty(6 / 9)),
      12,
    );
  });

  it('is half for texts of two thirds of the length', () => {
    const statistics = [4, 0, 0, 0, 0, 4, 3, 2, 1, 0, 30, 20];
    expect(nistScore(statistics)).toBeCloseTo(0.5, 12);
  });

  it('weighs n-grams by how rare they are after what goes before', () => {
    const weights = nistWeights([['a b', 'a c'], ['a b']]);
    expect(weights.get('a')).toBeCloseTo(Math.log2(6 / 3), 12);
    expect(weights.get('a b')).toBeCloseTo(Math.log2(3 / 2), 12);
    expect(weights.get('a c')).toBeCloseTo(Math.log2(3), 12);
  });

  it('compares with the reference that shares the most information, the longest of equals', () => {
    const weights = nistWeights([['x y', 'a b c', 'a b c d']]);
    const statistics = nistStatistics('x', ['x y', 'a b c', 'a b c d'], weights);
    // order 1: the reference of 2 tokens; orders 2…5: nothing is shared, that of 4
    expect(statistics.slice(-2)).toEqual([2 + 4 * 4, 5]);
  });

  it('is never negative', () => {
    fc.assert(
      fc.property(someExamples, (examples) => {
        const texts = examples.map(({ text }) => text);
        expect(
          nist(
            texts,
            examples.map(({ references }) => references),
          ),
        ).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('refuses weights of other references and an example without any', () => {
    expect(() => nistStatistics('a', ['a'], nistWeights([['b']]))).toThrow(/"a"/);
    expect(() => nistStatistics('a', [], nistWeights([['a']]))).toThrow(/reference/);
  });
});

/** ln² of a ratio in units of ln² 1.5. */
function penalty(ratio: number): number {
  return (Math.log(ratio) / Math.log(1.5)) ** 2;
}
