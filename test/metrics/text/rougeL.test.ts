import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rougeL } from '../../../src/metrics/text/rougeL.js';
import { python, someText } from './fixture.js';

describe('ROUGE-L', () => {
  it.each(python.corpora)("is pycocoevalcap's, example by example: $name", ({ texts, references, rougeL: scores }) => {
    for (const [i, text] of texts.entries()) expect(rougeL(text, references[i]!)).toBeCloseTo(scores[i]!, 12);
  });

  it('is the F-measure with β = 1.2 of the longest common subsequence', () => {
    // a c e of 4 and of 5 tokens
    const [precision, recall] = [3 / 4, 3 / 5];
    expect(rougeL('a x c e', ['a b c d e'])).toBeCloseTo((2.44 * precision * recall) / (recall + 1.44 * precision), 12);
  });

  it('takes precision from one reference and recall from another', () => {
    expect(rougeL('a b c d', ['a b', 'a b c d e f g h'])).toBeCloseTo(1, 12);
  });

  it('is 1 for nothing against nothing and 0 for nothing against something', () => {
    expect([rougeL('', ['']), rougeL(' ', ['', 'a']), rougeL('', ['a']), rougeL('a', [''])]).toEqual([1, 1, 0, 0]);
  });

  it('lies within 0..1 and is 1 for a text among its references', () => {
    fc.assert(
      fc.property(someText, someText, (text, other) => {
        expect(rougeL(text, [other, text])).toBeCloseTo(1, 12);
        expect(rougeL(text, [other])).toBeGreaterThanOrEqual(0);
        expect(rougeL(text, [other])).toBeLessThanOrEqual(1 + 1e-12);
      }),
    );
  });

  it('refuses an example without references', () => {
    expect(() => rougeL('a', [])).toThrow(/reference/);
  });
});
