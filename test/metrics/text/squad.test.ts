import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyNoAnswerThreshold, bestNoAnswerThreshold } from '../../../src/metrics/text/noAnswerThreshold.js';
import { exactMatch, normalizeAnswer, tokenF1 } from '../../../src/metrics/text/squad.js';

interface Fixture {
  readonly answers: readonly { text: string; golds: string[]; normal: string; exact: number; f1: number }[];
  readonly thresholds: readonly {
    name: string;
    questions: [exact: number, f1: number, noAnswerScore: number, hasAnswer: boolean, empty: boolean][];
    /** Scores are in percent. */
    best: { best_exact: number; best_exact_thresh: number; best_f1: number; best_f1_thresh: number };
    applied: { threshold: number; exact: number[]; f1: number[] }[];
  }[];
}

/** Made with the evaluation script of SQuAD v2.0 by test/oracle/squad_fixture.py. */
const script = JSON.parse(readFileSync(new URL('../fixtures/squad.json', import.meta.url), 'utf8')) as Fixture;

describe("SQuAD's answers", () => {
  it("are normalized as the script's", () => {
    expect(script.answers.map(({ text }) => normalizeAnswer(text))).toEqual(script.answers.map(({ normal }) => normal));
  });

  it("match as the script's", () => {
    const ours = script.answers.map(({ text, golds }) => exactMatch(text, golds));
    expect(ours).toEqual(script.answers.map(({ exact }) => exact));
  });

  it("have the script's F1, to the last bit", () => {
    const ours = script.answers.map(({ text, golds }) => tokenF1(text, golds));
    expect(ours).toEqual(script.answers.map(({ f1 }) => f1));
  });

  it('lose articles that stand alone, not those within words', () => {
    expect(normalizeAnswer('The theatre, a banana and an AN-other')).toBe('theatre banana and another');
  });

  it('are right without a word where the passage does not say', () => {
    expect([exactMatch('', []), tokenF1('', []), exactMatch('something', []), tokenF1('something', [])]).toEqual([
      1, 1, 0, 0,
    ]);
  });

  it('count each word as often as both sides have it', () => {
    // 2 of 3 predicted words and 2 of 4 right ones: 2·(2/3)(1/2) / (2/3 + 1/2)
    expect(tokenF1('x x x', ['x x y z'])).toBeCloseTo(4 / 7, 12);
  });

  const words = fc.array(fc.constantFrom('the', 'a', 'x', 'y', 'Z', 'z.', '—', ''), { maxLength: 6 });
  const answer = words.map((list) => list.join(' '));

  it('have an F1 within 0..1 that both sides share, 1 where they match', () => {
    fc.assert(
      fc.property(answer, answer, (a, b) => {
        const f1 = tokenF1(a, [b]);
        expect(f1).toBeGreaterThanOrEqual(exactMatch(a, [b]));
        expect(f1).toBeLessThanOrEqual(1);
        expect(tokenF1(b, [a])).toBeCloseTo(f1, 12);
      }),
    );
  });

  it('score no less with one more right answer', () => {
    fc.assert(
      fc.property(answer, answer, answer, (text, gold, more) => {
        fc.pre(normalizeAnswer(gold) !== '');
        expect(exactMatch(text, [gold, more])).toBeGreaterThanOrEqual(exactMatch(text, [gold]));
        expect(tokenF1(text, [gold, more])).toBeGreaterThanOrEqual(tokenF1(text, [gold]));
      }),
    );
  });
});

describe('the no-answer threshold', () => {
  const sets = script.thresholds.map((set) => ({
    ...set,
    questions: set.questions.map(([exact, f1, noAnswerScore, hasAnswer, empty]) => {
      return { exact, f1, noAnswerScore, hasAnswer, empty };
    }),
  }));

  it.each(sets)("that is best is the script's: $name", ({ questions, best }) => {
    const [exact, f1] = [bestNoAnswerThreshold(questions, 'exact'), bestNoAnswerThreshold(questions, 'f1')];
    expect([exact.threshold, f1.threshold]).toEqual([best.best_exact_thresh, best.best_f1_thresh]);
    expect(exact.score).toBeCloseTo(best.best_exact / 100, 12);
    expect(f1.score).toBeCloseTo(best.best_f1 / 100, 12);
  });

  it.each(sets)("changes scores as the script's: $name", ({ questions, applied }) => {
    for (const { threshold, exact, f1 } of applied) {
      const ours = applyNoAnswerThreshold(questions, threshold);
      expect(ours.map((scores) => scores.exact)).toEqual(exact);
      expect(ours.map((scores) => scores.f1)).toEqual(f1);
    }
  });

  it('gives the best mean when applied, where scores differ and some answer is worth giving', () => {
    const question = fc.record({
      exact: fc.constantFrom(0, 1),
      f1: fc.constantFrom(0, 0.5, 1),
      noAnswerScore: fc.double({ min: -5, max: 5, noNaN: true }),
      hasAnswer: fc.boolean(),
    });
    const differing = fc.uniqueArray(question, { minLength: 1, selector: (one) => one.noAnswerScore });
    fc.assert(
      fc.property(differing, (questions) => {
        const possible = questions.map((one) => (one.hasAnswer ? one : { ...one, exact: 0, f1: 0 }));
        const best = bestNoAnswerThreshold(possible, 'f1');
        const without = possible.filter(({ hasAnswer }) => !hasAnswer).length / possible.length;
        fc.pre(best.score > without);
        const applied = applyNoAnswerThreshold(possible, best.threshold);
        expect(applied.reduce((sum, { f1 }) => sum + f1, 0) / possible.length).toBeCloseTo(best.score, 12);
      }),
    );
  });

  it('is 0 where no answer to every question is best, whatever the scores', () => {
    const question = { exact: 0, f1: 0, noAnswerScore: -3, hasAnswer: false };
    expect(bestNoAnswerThreshold([question], 'exact')).toEqual({ score: 1, threshold: 0 });
  });
});
