import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bleuScore, bleuStatistics } from '../../../src/metrics/text/bleu.js';
import { mteval13a } from '../../../src/metrics/text/mteval13a.js';
import { python, someExamples, someText, sum } from './fixture.js';

const bleu = (texts: readonly string[], references: readonly (readonly string[])[]) =>
  bleuScore(sum(texts.map((text, i) => bleuStatistics(text, references[i]!))));

describe('BLEU', () => {
  it.each(python.corpora)("is sacrebleu's: $name", ({ texts, references, bleu: percent }) => {
    expect(bleu(texts, references)).toBeCloseTo(percent / 100, 11);
  });

  it.each(python.corpora)('of both sides in lower case is sacrebleu’s `lowercase`: $name', (corpus) => {
    const texts = corpus.texts.map((text) => text.toLowerCase());
    const references = corpus.references.map((group) => group.map((text) => text.toLowerCase()));
    expect(bleu(texts, references)).toBeCloseTo(corpus.lowerBleu / 100, 11);
  });

  it('counts a word at most as often as a reference has it', () => {
    // Papineni et al. 2002, section 2.1, example 2: modified unigram precision 2/7.
    const [shared, , , , words] = bleuStatistics('the the the the the the the', [
      'The cat is on the mat.'.toLowerCase(),
      'There is a cat on the mat.',
    ]);
    expect([shared, words]).toEqual([2, 7]);
  });

  it('has statistics of shared n-grams, n-grams, the length and that of the closest reference', () => {
    expect(bleuStatistics('a b c d e', ['a b c x', 'a b c d e f g'])).toEqual([5, 4, 3, 2, 5, 4, 3, 2, 5, 4]);
  });

  it('of a text of four tokens or more that is among its references is 1', () => {
    fc.assert(
      fc.property(someText, someText, (text, other) => {
        fc.pre(mteval13a(text).length >= 4);
        expect(bleu([text], [[other, text]])).toBeCloseTo(1, 12);
      }),
    );
  });

  it('lies within 0..1', () => {
    fc.assert(
      fc.property(someExamples, (examples) => {
        const score = bleu(
          examples.map(({ text }) => text),
          examples.map(({ references }) => references),
        );
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(1 + 1e-12);
      }),
    );
  });

  it('refuses an example without references', () => {
    expect(() => bleuStatistics('a', [])).toThrow(/reference/);
  });
});
