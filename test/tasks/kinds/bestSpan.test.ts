import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncodedExample } from '../../../src/engine/batch.js';
import { answered, bestSpan, type WindowLogits } from '../../../src/tasks/kinds/bestSpan.js';

/** Words of two letters with a space after each; a window holds those from `start` on after `first` other tokens. */
const passage = Array.from({ length: 40 }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(2)).join(' ');

function windowOf(start: number, words: number, first: number, logits: readonly number[]): WindowLogits {
  const offsets = Array.from({ length: words }, (_, i) => [3 * (start + i), 3 * (start + i) + 2] as const);
  const tokens = first + words + 1;
  const window: EncodedExample = {
    inputIds: new Int32Array(tokens),
    tokenTypeIds: new Int32Array(tokens),
    label: undefined,
    passage: { first, offsets },
    index: 0,
  };
  return { window, logits: Float32Array.from({ length: 2 * tokens }, (_, i) => logits[i % logits.length]!) };
}

describe('bestSpan', () => {
  it('is the pair of tokens of the passage with the largest sum, the end not before the start, 30 tokens at most', () => {
    const logit = fc.integer({ min: -50, max: 50 }).map((value) => value / 8);
    const window = fc
      .record({
        start: fc.integer({ min: 0, max: 4 }),
        words: fc.integer({ min: 1, max: 36 }),
        first: fc.integer({ min: 1, max: 5 }),
        logits: fc.array(logit, { minLength: 84, maxLength: 84 }),
      })
      .map(({ start, words, first, logits }) => windowOf(start, words, first, logits));
    fc.assert(
      fc.property(fc.array(window, { minLength: 1, maxLength: 3 }), (windows) => {
        const found = bestSpan(passage, windows);
        const sums = windows.flatMap(({ window: { passage: shown }, logits }) =>
          shown!.offsets.flatMap((from, i) =>
            shown!.offsets.flatMap((to, j) =>
              j < i || j - i >= 30
                ? []
                : [{ sum: logits[2 * (shown!.first + i)]! + logits[2 * (shown!.first + j) + 1]!, from, to }],
            ),
          ),
        );
        const best = Math.max(...sums.map(({ sum }) => sum));
        expect(found.score).toBe(best);
        const first = sums.find(({ sum }) => sum === best)!;
        expect([found.start, found.end]).toEqual([first.from[0], first.to[1]]);
        expect(found.answer).toBe(passage.slice(found.start, found.end));
        expect(found.noAnswerScore).toBe(Math.min(...windows.map(({ logits }) => logits[0]! + logits[1]!)));
      }),
    );
  });

  it('is not given where there being no answer is likelier by more than the threshold', () => {
    const best = { answer: 'aa', start: 0, end: 2, score: 3, noAnswerScore: 4 };
    expect(answered(best, 1)).toEqual(best);
    expect(answered(best, 0.9)).toEqual({ ...best, answer: '', end: 0 });
    expect(answered(best, Number.POSITIVE_INFINITY)).toEqual(best);
  });
});
