import { isBetter, type MetricName, metricNames } from '../../metrics/names.js';
import type { CompareRecord } from './records.js';
import { mean } from './statistics.js';

/** What a trial is judged by. */
export type TrialOutcome = Pick<CompareRecord, 'status' | 'scores' | 'constant'>;

/** Something that is tried, and its trials, one a seed; undefined where there is none. */
export interface Tried {
  readonly trials: readonly (TrialOutcome | undefined)[];
}

/**
 * From the best to the worst mean of the first metric over the seeds; the earlier of equals first. Those of which a trial fell
 * stand behind all others: a high mean can hide it, and the runs have more seeds to fall with.
 */
export function ranked<T extends Tried>(tried: readonly T[]): T[] {
  const places = tried.map((one) => {
    const found = one.trials.map(scoreOf);
    const metric = found.find((of) => of !== undefined)?.metric;
    return { one, metric, score: mean(found.map((of) => of?.score ?? Number.NaN)), fell: one.trials.some(hasFallen) };
  });
  places.sort((a, b) => {
    if (a.fell !== b.fell) return a.fell ? 1 : -1;
    if (isAhead(a, b)) return -1;
    return isAhead(b, a) ? 1 : 0;
  });
  return places.map(({ one }) => one);
}

interface Place {
  readonly metric: MetricName | undefined;
  readonly score: number;
}

/** A mean that is not defined is behind every other. */
function isAhead({ metric, score }: Place, other: Place): boolean {
  if (metric === undefined || Number.isNaN(score)) return false;
  return other.metric === undefined || Number.isNaN(other.score) || isBetter(metric, score, other.score);
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
