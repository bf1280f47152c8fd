import { splitWords } from './whiteSpace.js';

/** Python's `string.punctuation`. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
/** Python's `\b(a|an|the)\b`: its `\w` are the letters, the numbers and the underscore of Unicode, no marks. */
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/**
 * An answer as SQuAD's evaluation compares it (`normalize_answer`): in lower case, without ASCII's punctuation, without
 * English articles, one space between words.
 */
export function normalizeAnswer(answer: string): string {
  return normalizedWords(answer).join(' ');
}

/**
 * 1 when the prediction equals one of the right answers, both normalized, else 0. As SQuAD v2.0's `get_raw_scores`: right
 * answers that normalize to nothing do not count, and where none is left, nothing ('') is the right answer. v1.1 has the
 * same but for answers that normalize to nothing, which count there.
 */
export function exactMatch(prediction: string, goldAnswers: readonly string[]): number {
  const predicted = normalizeAnswer(prediction);
  return countedAnswers(goldAnswers).some((words) => words.join(' ') === predicted) ? 1 : 0;
}

/**
 * The largest F1 of the prediction's words against those of a right answer (`compute_f1` of SQuAD v2.0), right answers
 * as in {@link exactMatch}. Nothing against nothing is 1; v1.1 calls that 0.
 */
export function tokenF1(prediction: string, goldAnswers: readonly string[]): number {
  const predicted = normalizedWords(prediction);
  return Math.max(...countedAnswers(goldAnswers).map((words) => f1OfWords(predicted, words)));
}

function normalizedWords(answer: string): string[] {
  return splitWords(answer.toLowerCase().replace(PUNCTUATION, '').replace(ARTICLES, ' '));
}

function countedAnswers(goldAnswers: readonly string[]): string[][] {
  const answers = goldAnswers.map(normalizedWords).filter((words) => words.length > 0);
  return answers.length > 0 ? answers : [[]];
}

function f1OfWords(predicted: readonly string[], gold: readonly string[]): number {
  if (predicted.length === 0 || gold.length === 0) return predicted.length === gold.length ? 1 : 0;
  const unmatched = [...gold];
  let common = 0;
  for (const word of predicted) {
    const at = unmatched.indexOf(word);
    if (at < 0) continue;
    unmatched.splice(at, 1);
    common++;
  }
  const [precision, recall] = [common / predicted.length, common / gold.length];
  return common === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}
