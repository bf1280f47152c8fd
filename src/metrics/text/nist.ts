import { mteval13a } from './mteval13a.js';
import { countNgrams } from './ngrams.js';

const ORDERS = [1, 2, 3, 4, 5] as const;

/** The information of each n-gram of the references, in bits. */
export type NistWeights = ReadonlyMap<string, number>;

/**
 * Information weights of the n-grams, n = 1…5, of all references of a corpus (Doddington, HLT 2002, eq. 2):
 * log₂ of how often the first n - 1 tokens occur over how often all n do; for n = 1, of the number of tokens over it.
 */
export function nistWeights(allReferences: readonly (readonly string[])[]): NistWeights {
  const counts = new Map<string, number>();
  let words = 0;
  for (const tokens of allReferences.flat().map(mteval13a)) {
    words += tokens.length;
    for (const order of ORDERS) {
      for (const [ngram, count] of countNgrams(tokens, order)) counts.set(ngram, (counts.get(ngram) ?? 0) + count);
    }
  }
  const before = (ngram: string) => {
    const end = ngram.lastIndexOf(' ');
    return end < 0 ? words : counts.get(ngram.slice(0, end))!;
  };
  return new Map([...counts].map(([ngram, count]) => [ngram, Math.log(before(ngram) / count) / Math.LN2]));
}

/**
 * What a text adds to NIST: for n = 1…5 the information of the n-grams it shares with a reference and the number of its
 * n-grams, then the lengths of references and of the text, each summed over n. [12]
 *
 * As nltk 3.10's `corpus_nist` over tokens of 13a, case as it is. nltk departs from mteval-v13a, whose NIST numbers
 * differ where an example has several references: mteval clips n-grams by all references together and compares with
 * their mean length; nltk takes for each n the one reference that shares the most information, the longest of equals.
 *
 * @throws Error when `weights` were made without these references
 */
export function nistStatistics(text: string, references: readonly string[], weights: NistWeights): number[] {
  if (references.length === 0) throw new Error('NIST compares a text with references: there is none');
  const tokens = mteval13a(text);
  const referenceTokens = references.map(mteval13a);
  const best = ORDERS.map((order) => {
    const ngrams = countNgrams(tokens, order);
    return referenceTokens
      .map((reference) => ({
        information: sharedInformation(ngrams, countNgrams(reference, order), weights),
        length: reference.length,
      }))
      .reduce((a, b) => ((b.information - a.information || b.length - a.length) > 0 ? b : a));
  });
  return [
    ...best.map(({ information }) => information),
    ...ORDERS.map((order) => Math.max(0, tokens.length - order + 1)),
    best.reduce((sum, { length }) => sum + length, 0),
    ORDERS.length * tokens.length,
  ];
}

/**
 * NIST-5 of sums of {@link nistStatistics} (Doddington, HLT 2002, eq. 3): information per n-gram, summed over n, times
 * the length penalty. An order of which no text has an n-gram adds 0, as in mteval-v13a, and a corpus whose references
 * are empty has 0: nltk divides by zero there.
 */
export function nistScore(sums: readonly number[]): number {
  const [referenceLength, length] = sums.slice(2 * ORDERS.length);
  if (!referenceLength || !length) return 0;
  const information = ORDERS.reduce((sum, _, i) => sum + sums[i]! / Math.max(1, sums[ORDERS.length + i]!), 0);
  return information * lengthPenalty(length / referenceLength);
}

/** exp(β ln² min(ratio, 1)) with β such that texts of two thirds of the length have half the score. */
function lengthPenalty(ratio: number): number {
  const beta = Math.log(0.5) / Math.log(1.5) ** 2;
  return Math.exp(beta * Math.log(Math.min(ratio, 1)) ** 2);
}

function sharedInformation(
  ngrams: ReadonlyMap<string, number>,
  reference: ReadonlyMap<string, number>,
  weights: NistWeights,
): number {
  let information = 0;
  for (const [ngram, count] of ngrams) {
    const shared = Math.min(count, reference.get(ngram) ?? 0);
    if (shared === 0) continue;
    const weight = weights.get(ngram);
    if (weight === undefined) throw new Error(`NIST's weights were made without the reference that has "${ngram}"`);
    information += weight * shared;
  }
  return information;
}
