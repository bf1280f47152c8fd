import type { MetricName } from '../names.js';
import { bleuStatistics } from './bleu.js';
import { nistStatistics, nistWeights } from './nist.js';
import { rouge } from './rouge.js';
import { rougeL } from './rougeL.js';
import { exactMatch } from './squad.js';
import { scoreOfSums, sumsOf } from './sums.js';

export { type AnswerableScores, applyNoAnswerThreshold, bestNoAnswerThreshold } from './noAnswerThreshold.js';
export { exactMatch, normalizeAnswer, tokenF1 } from './squad.js';

/** A metric of written texts, in two parts, so that examples can be drawn anew without comparing their texts again. */
export interface CorpusMetric {
  /** What an example adds; sums over examples decide the score. */
  statistics(text: string, references: readonly string[]): readonly number[];
  score(sums: readonly number[], examples: number): number;
}

export const corpusMetricNames = [
  'bleu',
  'nist',
  'rouge_l',
  'rouge1',
  'rouge2',
  'rougeL',
  'exact_match',
] as const satisfies readonly MetricName[];
export type CorpusMetricName = (typeof corpusMetricNames)[number];

export function isCorpusMetric(name: MetricName): name is CorpusMetricName {
  return corpusMetricNames.some((one) => one === name);
}

/** @param allReferences the references of each example of the corpus; NIST weighs n-grams by them */
export function corpusMetric(name: CorpusMetricName, allReferences: readonly (readonly string[])[]): CorpusMetric {
  return {
    statistics: STATISTICS[name](allReferences),
    score: (sums, examples) => scoreOfSums(name, sums, examples),
  };
}

/**
 * The score of the examples with these statistics. Without examples BLEU and NIST are 0 and means are NaN, as numpy's.
 */
export function corpusScore(metric: CorpusMetric, statistics: readonly (readonly number[])[]): number {
  return metric.score(sumsOf(statistics), statistics.length);
}

const STATISTICS: Readonly<
  Record<CorpusMetricName, (allReferences: readonly (readonly string[])[]) => CorpusMetric['statistics']>
> = {
  bleu: () => bleuStatistics,
  nist: (allReferences) => {
    const weights = nistWeights(allReferences);
    return (text, references) => nistStatistics(text, references, weights);
  },
  rouge_l: () => (text, references) => [rougeL(text, references)],
  rouge1: ofEach(rouge(1)),
  rouge2: ofEach(rouge(2)),
  rougeL: ofEach(rouge('longest')),
  exact_match: () => (text, references) => [exactMatch(text, references)],
};

/** A mean of what each text scores. */
function ofEach(score: (text: string, references: readonly string[]) => number) {
  return (): CorpusMetric['statistics'] => (text, references) => [score(text, references)];
}
