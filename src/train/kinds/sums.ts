import { bleuScore } from '../../data/textMetrics/bleu.js';
import { nistScore } from '../../data/textMetrics/nist.js';
import type { MetricName } from '../../data/types.js';

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
