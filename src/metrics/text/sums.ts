import type { MetricName } from '../names.js';
import { bleuScore } from './bleu.js';
import { nistScore } from './nist.js';

/** Sums, over examples, of what each adds to a metric; none without examples. */
export function sumsOf(each: readonly (readonly number[])[]): number[] {
  return (each[0] ?? []).map((_, k) => each.reduce((sum, one) => sum + one[k]!, 0));
}

/**
 * A metric from the sums, over examples, of what each adds to it: so that examples can be drawn again without the texts.
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
    default:
      return sums[0]! / examples;
  }
}
