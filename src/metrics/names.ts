import { accuracy, averagePrecision, f1, matthews, pearson, spearman } from './metrics.js';
import { bleuScore } from './text/bleu.js';
import { nistScore } from './text/nist.js';

/** What is to be known of a metric. */
interface Metric {
  /** Which of two values is the better one. */
  readonly better: 'higher' | 'lower';
  /** From a class or a score of each row, predicted and expected; left out where it is no metric of rows. */
  readonly ofRows?: (predicted: ArrayLike<number>, expected: ArrayLike<number>, numLabels: number) => number;
  /** What it is where one side is of one value alone, or there are fewer than two rows. */
  readonly ofConstants?: 'not defined' | '0 by convention';
  /** An answer of nothing has no value of its own, where others have 0. */
  readonly hasNoFloor?: true;
  /** From sums, over examples, of what each adds to it. Left out: the first over the second, or over the examples where there is one alone. */
  readonly ofSums?: (sums: readonly number[], examples: number) => number;
}

/**
 * Every metric. `exact_match` and `f1` of answers in passages are SQuAD's, `best_…` those at the best no-answer threshold.
 * `rouge1`, `rouge2` and `rougeL` are Google's rouge_score (src/metrics/text/rouge.ts), `rouge_l` is pycocoevalcap's.
 * `accuracy` of written answers is that of the likeliest choice, `generated_accuracy` that of what is written;
 * `log_likelihood` is the mean of a reference's tokens, `loss` the
 * same with the other sign. `precision`, `recall` and `f1` of entities are of whole entities,
 * `accuracy` there of tokens; `micro_f1` counts all labels of all examples together, `macro_f1` is the mean over labels,
 * `subset_accuracy` the share of examples with every label right. Those with `_at_` are means over queries, of what each finds
 * (src/metrics/ranking.ts), or of how each one's candidates are ranked, as `map` is too (src/metrics/reranking.ts);
 * `average_precision` is of scores of pairs, of which some belong together.
 * Rewards are what a loss of preferences takes an answer to be worth; `reward_accuracy` is the share of pairs in which the chosen
 * answer is worth more, `reward_margin` the mean of how much more.
 */
const table = {
  matthews: { better: 'higher', ofRows: matthews, ofConstants: '0 by convention' },
  accuracy: { better: 'higher', ofRows: accuracy },
  // Of entities it is a share of sums, of answers in passages a mean.
  f1: {
    better: 'higher',
    ofRows: f1,
    ofSums: (sums, examples) => (sums.length === 2 ? shareOf(sums) : sums[0]! / examples),
  },
  precision: { better: 'higher', ofSums: shareOf },
  recall: { better: 'higher', ofSums: shareOf },
  micro_f1: { better: 'higher', ofSums: shareOf },
  macro_f1: { better: 'higher', ofSums: macroShare },
  subset_accuracy: { better: 'higher' },
  pearson: { better: 'higher', ofRows: pearson, ofConstants: 'not defined' },
  spearman: { better: 'higher', ofRows: spearman, ofConstants: 'not defined' },
  exact_match: { better: 'higher' },
  best_f1: { better: 'higher' },
  best_exact_match: { better: 'higher' },
  generated_accuracy: { better: 'higher' },
  bleu: { better: 'higher', ofSums: bleuScore },
  nist: { better: 'higher', ofSums: nistScore },
  rouge_l: { better: 'higher' },
  rouge1: { better: 'higher' },
  rouge2: { better: 'higher' },
  rougeL: { better: 'higher' },
  log_likelihood: { better: 'higher', hasNoFloor: true, ofSums: ([sum, tokens]) => sum! / tokens! },
  loss: { better: 'lower', hasNoFloor: true, ofSums: ([sum, tokens]) => -sum! / tokens! },
  reward_accuracy: { better: 'higher', hasNoFloor: true },
  // Of single answers it is between the means of good and of bad ones.
  reward_margin: {
    better: 'higher',
    hasNoFloor: true,
    ofSums: ([good, goods, bad, bads]) => good! / goods! - (bad === undefined ? 0 : bad / bads!),
  },
  chosen_reward: { better: 'higher', hasNoFloor: true },
  rejected_reward: { better: 'lower', hasNoFloor: true },
  ndcg_at_10: { better: 'higher' },
  mrr_at_10: { better: 'higher' },
  recall_at_1: { better: 'higher' },
  recall_at_5: { better: 'higher' },
  recall_at_10: { better: 'higher' },
  map_at_100: { better: 'higher' },
  map: { better: 'higher' },
  average_precision: { better: 'higher', ofRows: averagePrecision, ofConstants: 'not defined' },
  perplexity: { better: 'lower', hasNoFloor: true, ofSums: ([sum, tokens]) => Math.exp(-sum! / tokens!) },
} as const satisfies Readonly<Record<string, Metric>>;

/** Name of a metric. */
export type MetricName = keyof typeof table;
/** Metrics by name. */
export const metrics: Readonly<Record<MetricName, Metric>> = table;
export const metricNames = Object.keys(table) as MetricName[];

/** True where a value of a metric is better than another. An undefined one is worse than any other. */
export function isBetter(name: MetricName, value: number, than: number): boolean {
  if (Number.isNaN(than)) return !Number.isNaN(value);
  return metrics[name].better === 'higher' ? value > than : value < than;
}

/** A share of two sums; 0 of nothing. */
function shareOf([part, whole]: readonly number[]): number {
  return whole === 0 ? 0 : part! / whole!;
}

/** The mean of shares, the two sums of each one after the other. */
function macroShare(sums: readonly number[]): number {
  const labels = sums.length / 2;
  let total = 0;
  for (let label = 0; label < labels; label++) total += shareOf([sums[2 * label]!, sums[2 * label + 1]!]);
  return total / labels;
}
