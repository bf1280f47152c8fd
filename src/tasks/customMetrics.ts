import { DiffoError } from '../errors.js';
import { refuseSmallerFirst } from '../metrics/metrics.js';
import type { MetricName } from '../metrics/names.js';
import type { LearnedKind } from './task.js';

interface Metrics {
  /** Reported where the task file names none. */
  readonly usual: readonly MetricName[];
  readonly further: readonly MetricName[];
}

const METRICS: Readonly<Record<LearnedKind | 'choice', Metrics>> = {
  classification: { usual: ['accuracy', 'f1', 'matthews'], further: [] },
  regression: { usual: ['pearson', 'spearman'], further: [] },
  span: { usual: ['f1', 'exact_match'], further: ['best_f1', 'best_exact_match'] },
  language: { usual: ['log_likelihood', 'perplexity'], further: ['exact_match', 'bleu', 'nist', 'rouge_l'] },
  choice: {
    usual: ['accuracy', 'log_likelihood', 'perplexity'],
    further: ['generated_accuracy', 'exact_match', 'bleu', 'nist', 'rouge_l'],
  },
};

/**
 * The metrics of a task of one's own, the usual ones where it names none.
 *
 * @param kind `choice`: a language task with choices
 * @throws DiffoError that lists the metrics of that kind when one is of another
 */
export function metricsOf(kind: keyof typeof METRICS, named: readonly MetricName[] | undefined): readonly MetricName[] {
  const { usual, further } = METRICS[kind];
  const fitting = [...usual, ...further];
  const unfit = named?.find((metric) => !fitting.includes(metric));
  if (!unfit) {
    if (named) refuseSmallerFirst(named, 'metrics');
    return named ?? usual;
  }
  const task =
    { choice: 'language task with choices', language: 'language task without choices' }[kind as string] ?? kind;
  throw new DiffoError(`The metric ${unfit} does not fit a ${task}. Choose from ${fitting.join(', ')}.`);
}
