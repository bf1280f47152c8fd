import type { EncodedExample } from '../../engine/batch.js';

/** A part of the passage; the empty text, at 0, where it is likelier that the passage does not say. */
export interface SpanPrediction {
  readonly answer: string;
  /** Where it lies in the passage, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** Logit of its first token as a start plus that of its last as an end. */
  readonly score: number;
  /** The same of "the passage does not say". */
  readonly noAnswerScore: number;
}

/** Tokens that an answer may have, as BERT's script for SQuAD has it. */
const longestAnswer = 30;

/** A window of a passage and what the model says of it. */
export interface WindowLogits {
  readonly window: EncodedExample;
  /** [tokens, 2]: each token as the first and as the last of the answer. */
  readonly logits: Float32Array;
}

/**
 * The likeliest part of a passage over all its windows, whatever the score of there being no answer: the largest sum of
 * a start's and an end's logit, at most 30 tokens apart; the earlier of equals. There being no answer is the sum at the
 * first token, the smallest of the windows (BERT, arXiv 1810.04805, section 4.3).
 */
export function bestSpan(passage: string, windows: readonly WindowLogits[]): SpanPrediction {
  let best = { score: Number.NEGATIVE_INFINITY, start: 0, end: 0 };
  let noAnswerScore = Number.POSITIVE_INFINITY;
  for (const { window, logits } of windows) {
    const { first, offsets } = window.passage!;
    noAnswerScore = Math.min(noAnswerScore, logits[0]! + logits[1]!);
    for (let start = 0; start < offsets.length; start++) {
      const startLogit = logits[2 * (first + start)]!;
      for (let end = start; end < Math.min(start + longestAnswer, offsets.length); end++) {
        const score = startLogit + logits[2 * (first + end) + 1]!;
        if (score > best.score) best = { score, start: offsets[start]![0], end: offsets[end]![1] };
      }
    }
  }
  return { answer: passage.slice(best.start, best.end), ...best, noAnswerScore };
}

/** What is answered: nothing where there being no answer is likelier by more than `threshold`. */
export function answered(best: SpanPrediction, threshold: number): SpanPrediction {
  const isNone = best.noAnswerScore - best.score > threshold;
  return isNone ? { ...best, answer: '', start: 0, end: 0 } : best;
}
