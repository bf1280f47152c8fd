import { isBetter, type MetricName, metricNames } from '../../metrics/names.js';
import type { CompareRecord } from './records.js';
import { mean } from './statistics.js';

/** What a trial is judged by. */
export type TrialOutcome = Pick<CompareRecord, 'status' | 'scores' | 'constant'>;

/** A learning rate and its trials, one a seed; undefined where there is none. */
export interface TriedRate {
  readonly lr: number;
  readonly trials: readonly (TrialOutcome | undefined)[];
}

/**
 * The rate with the best mean of the first metric over the seeds; the earlier of equals. One at which a trial fell is not
 * taken where there is another: a high mean can hide it, and the runs have more seeds to fall with.
 */
export function chosenRate(rates: readonly TriedRate[]): number {
  const standing = rates.filter(({ trials }) => !trials.some(hasFallen));
  let best: { readonly lr: number; readonly score: number } | undefined;
  for (const { lr, trials } of standing.length > 0 ? standing : rates) {
    const found = trials.map(scoreOf);
    const metric = found.find((one) => one !== undefined)?.metric;
    const score = mean(found.map((one) => one?.score ?? Number.NaN));
    if (best === undefined || (metric !== undefined && isBetter(metric, score, best.score))) best = { lr, score };
  }
  return best!.lr;
}

/**
 * True for a trial that failed, whose first metric is not defined, or whose first metric is no better than that of the best
 * answer that is the same for all examples: what a diverged or collapsed model comes to, whichever answer that is.
 */
export function hasFallen(trial: TrialOutcome | undefined): boolean {
  const found = scoreOf(trial);
  if (found === undefined || !Number.isFinite(found.score)) return true;
  return trial!.constant !== undefined && !isBetter(found.metric, found.score, trial!.constant);
}

/** The first metric of a trial that is done. */
function scoreOf(trial: TrialOutcome | undefined): { metric: MetricName; score: number } | undefined {
  if (trial?.status !== 'done') return undefined;
  const [name, score] = Object.entries(trial.scores ?? {})[0] ?? [];
  const metric = metricNames.find((one) => one === name);
  return metric === undefined ? undefined : { metric, score: score ?? Number.NaN };
}
