import { type MetricName, metrics } from '../names.js';

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
  const { ofSums } = metrics[name];
  return ofSums === undefined ? sums[0]! / (sums[1] ?? examples) : ofSums(sums, examples);
}
