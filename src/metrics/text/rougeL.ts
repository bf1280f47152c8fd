import { mteval13a } from './mteval13a.js';
import { commonSubsequence } from './rouge.js';

/** How many times recall weighs as much as precision; pycocoevalcap's. */
const BETA = 1.2;

/**
 * ROUGE-L of a text, 0..1 (Lin, ACL workshop 2004, section 3): the F-measure of the longest common subsequence, with the
 * largest precision and the largest recall over the references, each on its own. As pycocoevalcap's `Rouge` over tokens
 * of 13a, case as it is; the E2E challenge's script gives that class tokens of Stanford's PTBTokenizer, in lower case
 * and without punctuation, so that its numbers differ.
 */
export function rougeL(text: string, references: readonly string[]): number {
  if (references.length === 0) throw new Error('ROUGE-L compares a text with references: there is none');
  const tokens = tokensOf(text);
  const compared = references.map(tokensOf).map((reference) => {
    const common = commonSubsequence(tokens, reference);
    return { precision: common / tokens.length, recall: common / reference.length };
  });
  const precision = Math.max(...compared.map((one) => one.precision));
  const recall = Math.max(...compared.map((one) => one.recall));
  return precision === 0 ? 0 : ((1 + BETA ** 2) * precision * recall) / (recall + BETA ** 2 * precision);
}

/** One empty token for an empty text, as Python's `''.split(' ')` gives: nothing against nothing is 1. */
function tokensOf(text: string): string[] {
  const tokens = mteval13a(text);
  return tokens.length === 0 ? [''] : tokens;
}
