import type { MetricName } from '../names.js';
import { bleuScore } from './bleu.js';
import { nistScore } from './nist.js';

/** Sums, over examples, of what each adds to a metric; none without examples. */
export function sumsOf(each: readonly (readonly number[])[]): number[] {
  return (each[0] ?? []).map((_, k) => each.reduce((sum, one) => sum + one[k]!, 0));
}

/**
 * A metric from the sums, over examples, of what each adds to it: so that examples can be drawn again without the texts.
 * One sum is divided by the examples. Two are a share: of entities, tokens or labels, that examples have in any number;
 * `macro_f1` is the mean of such shares, two sums a label. A share of nothing is 0 where precision, recall and F1 are
 * meant (`zero_division=0` of scikit-learn and seqeval), and not a number elsewhere.
 * @param examples their number
 */
export function scoreOfSums(name: MetricName, sums: readonly number[], examples: number): number {
  switch (name) {
    case 'bleu':
      return bleuScore(sums);
    case 'nist':
      return nistScore(sums);
    case 'log_likelihood':
      return sums[0]! / sums[1]!;
    case 'perplexity':
      return Math.exp(-sums[0]! / sums[1]!);
    case 'precision':
    case 'recall':
    case 'micro_f1':
      return shareOf(sums);
    case 'f1':
      return sums.length === 2 ? shareOf(sums) : sums[0]! / examples;
    case 'macro_f1':
      return macroShare(sums);
    default:
      return sums[0]! / (sums[1] ?? examples);
  }
}

function shareOf([part, whole]: readonly number[]): number {
  return whole === 0 ? 0 : part! / whole!;
}

function macroShare(sums: readonly number[]): number {
  const labels = sums.length / 2;
  let total = 0;
  for (let label = 0; label < labels; label++) total += shareOf([sums[2 * label]!, sums[2 * label + 1]!]);
  return total / labels;
}
