import type { MetricName } from '../types.js';
import { bleuScore, bleuStatistics } from './bleu.js';
import { nistScore, nistStatistics, nistWeights } from './nist.js';
import { rougeL } from './rougeL.js';
import { exactMatch } from './squad.js';

export { type AnswerableScores, applyNoAnswerThreshold, bestNoAnswerThreshold } from './noAnswerThreshold.js';
export { exactMatch, normalizeAnswer, tokenF1 } from './squad.js';

/** A metric of written texts, in two parts, so that examples can be drawn anew without comparing their texts again. */
export interface CorpusMetric {
  /** What an example adds; sums over examples decide the score. */
  statistics(text: string, references: readonly string[]): readonly number[];
  score(sums: readonly number[], examples: number): number;
}

export const corpusMetricNames = ['bleu', 'nist', 'rouge_l', 'exact_match'] as const satisfies readonly MetricName[];
export type CorpusMetricName = (typeof corpusMetricNames)[number];

/** @param allReferences the references of each example of the corpus; NIST weighs n-grams by them */
export function corpusMetric(name: CorpusMetricName, allReferences: readonly (readonly string[])[]): CorpusMetric {
  return METRICS[name](allReferences);
}

/**
 * The score of the examples with these statistics. Without examples BLEU and NIST are 0 and means are NaN, as numpy's.
 */
export function corpusScore(metric: CorpusMetric, statistics: readonly (readonly number[])[]): number {
  const sums = (statistics[0] ?? []).map((_, i) => statistics.reduce((sum, example) => sum + example[i]!, 0));
  return metric.score(sums, statistics.length);
}

const METRICS: Readonly<Record<CorpusMetricName, (allReferences: readonly (readonly string[])[]) => CorpusMetric>> = {
  bleu: () => ({ statistics: bleuStatistics, score: bleuScore }),
  nist: (allReferences) => {
    const weights = nistWeights(allReferences);
    return { statistics: (text, references) => nistStatistics(text, references, weights), score: nistScore };
  },
  rouge_l: () => mean(rougeL),
  exact_match: () => mean(exactMatch),
};

function mean(value: (text: string, references: readonly string[]) => number): CorpusMetric {
  return {
    statistics: (text, references) => [value(text, references)],
    score: ([sum = 0], examples) => sum / examples,
  };
}
