import { type MetricName, metrics } from '../names.js';

/** Sums, over examples, of what each adds to a metric; none without examples. */
export function sumsOf(each: readonly (readonly number[])[]): number[] {
  return (each[0] ?? []).map((_, k) => each.reduce((sum, one) => sum + one[k]!, 0));
}

/**
 * A metric from the sums, over examples, of what each adds to it: so that examples can be drawn again without the texts.
 * @param examples their number
 */
export function scoreOfSums(name: MetricName, sums: readonly number[], examples: number): number {
  const { ofSums } = metrics[name];
  return ofSums === undefined ? sums[0]! / examples : ofSums(sums, examples);
}
