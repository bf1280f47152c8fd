import { mteval13a } from './mteval13a.js';
import { countNgrams } from './ngrams.js';

const ORDERS = [1, 2, 3, 4] as const;

/**
 * What a text adds to BLEU: n-grams it shares with its references and n-grams it has, for n = 1…4, its length in tokens
 * and that of the reference closest in length, the shorter of two. [10]
 *
 * Settings are sacrebleu's `tokenize='13a'`, case as it is. The E2E challenge's script, mteval-v13a too, ignores case:
 * for its number, give it both sides in lower case.
 */
export function bleuStatistics(text: string, references: readonly string[]): number[] {
  if (references.length === 0) throw new Error('BLEU compares a text with references: there is none');
  const tokens = mteval13a(text);
  const referenceTokens = references.map(mteval13a);
  return [
    ...ORDERS.map((order) => sharedNgrams(tokens, referenceTokens, order)),
    ...ORDERS.map((order) => Math.max(0, tokens.length - order + 1)),
    tokens.length,
    referenceTokens.map(({ length }) => length).reduce((a, b) => closer(tokens.length, a, b)),
  ];
}

/**
 * Corpus BLEU-4, 0..1, of sums of {@link bleuStatistics} (Papineni et al., ACL 2002, section 2.3): the geometric mean of
 * the four precisions times the brevity penalty. No smoothing, as sacrebleu's `corpus_bleu(smooth_method='none')` (which
 * gives percents): 0 where no n-gram of some order is shared.
 */
export function bleuScore(sums: readonly number[]): number {
  if (ORDERS.some((_, i) => !sums[i])) return 0;
  const logarithms = ORDERS.map((_, i) => Math.log(sums[i]! / sums[ORDERS.length + i]!));
  const [length, referenceLength] = sums.slice(2 * ORDERS.length) as [number, number];
  const brevity = Math.min(0, 1 - referenceLength / length);
  return Math.exp(brevity + logarithms.reduce((a, b) => a + b) / ORDERS.length);
}

/** N-grams of the text, each counted at most as often as in the reference that has it most often. */
function sharedNgrams(tokens: readonly string[], references: readonly (readonly string[])[], order: number): number {
  const counts = references.map((reference) => countNgrams(reference, order));
  let shared = 0;
  for (const [ngram, count] of countNgrams(tokens, order)) {
    shared += Math.min(count, Math.max(...counts.map((reference) => reference.get(ngram) ?? 0)));
  }
  return shared;
}

function closer(length: number, a: number, b: number): number {
  const difference = Math.abs(a - length) - Math.abs(b - length);
  return difference < 0 || (difference === 0 && a < b) ? a : b;
}
