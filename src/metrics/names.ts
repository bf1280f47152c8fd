/**
 * The larger, the better, but for perplexity. `exact_match` and `f1` of span tasks are SQuAD's, `best_…` those at the
 * best no-answer threshold. `accuracy` of language tasks is that of the likeliest choice, `generated_accuracy` that of
 * written answers; `log_likelihood` is the mean of a reference's tokens. `precision`, `recall` and `f1` of entities are
 * of whole entities, `accuracy` there of tokens; `micro_f1` counts all labels of all examples together, `macro_f1` is the
 * mean over labels, `subset_accuracy` the share of examples with every label right.
 */
export const metricNames = [
  'matthews',
  'accuracy',
  'f1',
  'precision',
  'recall',
  'micro_f1',
  'macro_f1',
  'subset_accuracy',
  'pearson',
  'spearman',
  'exact_match',
  'best_f1',
  'best_exact_match',
  'generated_accuracy',
  'bleu',
  'nist',
  'rouge_l',
  'log_likelihood',
  'perplexity',
] as const;
/** Name of a metric. */
export type MetricName = (typeof metricNames)[number];
