import { isDeepStrictEqual } from 'node:util';
import { isBetter, type MetricName, metrics as metricTable } from '../../metrics/names.js';
import { hasFallen } from './rates.js';
import type { CompareRecord } from './records.js';
import type { Comparison, ReportedTask } from './run.js';
import {
  type Interval,
  labelScore,
  lossScore,
  mean,
  type Pair,
  pairedDifference,
  sampleDeviation,
  sumScore,
} from './statistics.js';
import type { Drawn } from './tune.js';

/** A score over seeds. */
export interface MeanScore {
  readonly mean: number;
  /** Of the sample; undefined for one seed. */
  readonly deviation: number | undefined;
}

/** A method on a task: a row of a table. */
export interface MethodSummary {
  readonly method: string;
  readonly runs: readonly CompareRecord[];
  readonly failed: readonly CompareRecord[];
  readonly lr: number | undefined;
  /** What else was drawn for its runs; nothing where rates of a list were tried. */
  readonly drawn: Drawn;
  /** A trial of what was chosen fell, and so did one of all else that was tried beside it. */
  readonly hasFallen: boolean;
  readonly scores: Readonly<Partial<Record<MetricName, MeanScore>>>;
  /** Trained numbers, head apart, that are left at the end; mean over seeds. */
  readonly size: number | undefined;
  /** size / budget − 1 */
  readonly offBudget: number | undefined;
  /** False for a method whose size cannot follow the budget. */
  readonly fits: boolean;
  readonly seconds: number | undefined;
  readonly peakMemoryBytes: number | undefined;
  /** This method minus the reference, in the task's first metric, over the seeds that both have. */
  readonly difference: Interval | undefined;
  /** Loss of the held-out training examples, where it was reported; the lower the better. */
  readonly validationLoss: MeanScore | undefined;
  /** This method minus the reference in that. */
  readonly lossDifference: Interval | undefined;
}

/** The best of a table's methods, and whether it can be told from the next. */
export interface Ranking {
  readonly best: string | undefined;
  readonly runnerUp: string | undefined;
  /** Best minus runner-up. */
  readonly lead: Interval | undefined;
}

/** A model on a task: a table. Its ranking is that by the mean of the first metric. */
export interface TableSummary extends Ranking {
  readonly model: string;
  readonly task: string;
  /** Trained numbers that its methods were to have, head apart. */
  readonly budget: number;
  readonly metrics: readonly MetricName[];
  readonly examples: number;
  /** Held-out training examples of which the loss was reported; 0 where none was. */
  readonly heldOut: number;
  readonly methods: readonly MethodSummary[];
  /** Methods that cannot be so small, and why. */
  readonly leftOut: readonly { readonly method: string; readonly reason: string }[];
  /** By validation loss, where it was reported. */
  readonly byLoss: Ranking | undefined;
}

/** True where the best is told from the runner-up: the interval of their difference leaves 0 out. */
export function isClear({ lead, metrics: [first] }: Pick<TableSummary, 'lead' | 'metrics'>): boolean {
  if (lead === undefined || first === undefined) return false;
  return metricTable[first].better === 'higher' ? lead.low > 0 : lead.high < 0;
}

/** The same by validation loss. */
export function isClearByLoss({ byLoss }: Pick<TableSummary, 'byLoss'>): boolean {
  return byLoss?.lead !== undefined && byLoss.lead.high < 0;
}

/** The tables of a comparison, in the order of its configuration. */
export function summarise(comparison: Comparison): TableSummary[] {
  const { config, tasks } = comparison;
  return config.models.flatMap((model) =>
    tasks.flatMap((facts) => config.budgets.map((budget) => tableOf(comparison, model, facts, budget))),
  );
}

function tableOf(
  { config, runs, trials, leftOut }: Comparison,
  model: string,
  facts: ReportedTask,
  budget: number,
): TableSummary {
  const { metrics } = facts.task;
  const left = leftOut.filter(
    ({ cell }) => cell.model === model && cell.task.name === facts.name && cell.budget === budget,
  );
  // What has no budget of its own stands in the tables of all.
  const ofMethod = (method: string, records = runs) =>
    records.filter(
      (run) =>
        run.model === model &&
        run.task === facts.name &&
        run.method === method &&
        (run.budget === undefined || run.budget === budget),
    );
  const references = ofMethod(config.reference);
  const there = config.methods.filter((method) => !left.some(({ cell }) => cell.method === method));
  const methods = there.map((method): MethodSummary => {
    const all = ofMethod(method.name);
    const done = all.filter(({ status }) => status === 'done');
    const size = meanOf(done.map(({ parameters }) => parameters && parameters.kept + parameters.replaced));
    return {
      method: method.name,
      runs: done,
      failed: all.filter(({ status }) => status === 'failed'),
      lr: done[0]?.lr,
      drawn: done[0]?.settings ?? {},
      hasFallen: done[0] !== undefined && lastTrials(ofMethod(method.name, trials), done[0]).some(hasFallen),
      scores: Object.fromEntries(metrics.map((name) => [name, meanScore(done, name)])),
      size,
      offBudget: size === undefined ? undefined : size / budget - 1,
      fits: method.fits,
      seconds: meanOf(done.map(({ seconds }) => seconds?.total)),
      peakMemoryBytes: meanOf(done.map(({ peakMemoryBytes }) => peakMemoryBytes)),
      difference: method.name === config.reference ? undefined : difference(done, references, facts),
      validationLoss: done.some(({ validation }) => validation !== undefined) ? meanLoss(done) : undefined,
      lossDifference: method.name === config.reference ? undefined : lossDifference(done, references),
    };
  });
  const hasLoss = methods.some(({ validationLoss }) => validationLoss !== undefined);
  return {
    model,
    task: facts.name,
    budget,
    metrics,
    examples: facts.examples,
    heldOut: Math.max(
      0,
      ...methods.flatMap(({ runs: done }) => done.map((run) => run.validation?.examples.length ?? 0)),
    ),
    methods,
    leftOut: left.map(({ cell, reason }) => ({ method: cell.method.name, reason })),
    ...rankingOf(methods, {
      scoreOf: ({ scores }) => scores[metrics[0]!]?.mean,
      isBetter: (a, b) => isBetter(metrics[0]!, a, b),
      difference: (one, other) => difference(one, other, facts),
    }),
    byLoss: hasLoss
      ? rankingOf(methods, {
          scoreOf: ({ validationLoss }) => validationLoss?.mean,
          isBetter: (a, b) => a < b,
          difference: lossDifference,
        })
      : undefined,
  };
}

function rankingOf(
  methods: readonly MethodSummary[],
  by: {
    readonly scoreOf: (one: MethodSummary) => number | undefined;
    readonly isBetter: (a: number, b: number) => boolean;
    readonly difference: (ones: readonly CompareRecord[], others: readonly CompareRecord[]) => Interval | undefined;
  },
): Ranking {
  const [best, runnerUp] = methods
    .map((one) => ({ one, score: by.scoreOf(one) ?? Number.NaN }))
    .filter(({ score }) => Number.isFinite(score))
    .sort((a, b) => (a.score === b.score ? 0 : by.isBetter(a.score, b.score) ? -1 : 1))
    .map(({ one }) => one);
  return {
    best: best?.method,
    runnerUp: runnerUp?.method,
    lead: best && runnerUp ? by.difference(best.runs, runnerUp.runs) : undefined,
  };
}

function meanScore(runs: readonly CompareRecord[], name: MetricName): MeanScore {
  return overSeeds(runs.map(({ scores }) => scores?.[name] ?? Number.NaN));
}

function meanLoss(runs: readonly CompareRecord[]): MeanScore {
  return overSeeds(runs.map(({ validation }) => validation?.loss ?? Number.NaN));
}

function overSeeds(scores: readonly number[]): MeanScore {
  return { mean: scores.length === 0 ? Number.NaN : mean(scores), deviation: sampleDeviation(scores) };
}

function meanOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : mean(known);
}

function difference(
  ones: readonly CompareRecord[],
  others: readonly CompareRecord[],
  { task, labels, examples }: ReportedTask,
): Interval | undefined {
  const [metric] = task.metrics;
  const predicted = pairsOf(ones, others, (run) => run.predicted);
  if (predicted.length > 0) return pairedDifference(predicted, examples, labelScore(labels, metric!, task));
  const summed = pairsOf(ones, others, (run) => run.statistics);
  return summed.length === 0 ? undefined : pairedDifference(summed, examples, sumScore(metric!));
}

function lossDifference(ones: readonly CompareRecord[], others: readonly CompareRecord[]): Interval | undefined {
  const pairs = pairsOf(ones, others, (run) => run.validation?.examples);
  return pairs.length === 0 ? undefined : pairedDifference(pairs, pairs[0]!.one.length, lossScore);
}

/** What two methods made of each example, for every seed that both have. */
function pairsOf<T>(
  ones: readonly CompareRecord[],
  others: readonly CompareRecord[],
  of: (run: CompareRecord) => readonly T[] | undefined,
): Pair<T>[] {
  return ones.flatMap((run) => {
    const counterpart = others.find(({ seed }) => seed === run.seed);
    const [one, other] = [of(run), counterpart && of(counterpart)];
    return one !== undefined && other !== undefined ? [{ one, other }] : [];
  });
}

/** The trials that chose what a run has: those of its settings in the last round that they were in. */
function lastTrials(trials: readonly CompareRecord[], { lr, settings }: CompareRecord): CompareRecord[] {
  const own = trials.filter((one) => one.lr === lr && isDeepStrictEqual(one.settings, settings));
  const longest = Math.max(...own.map(({ share = 1 }) => share));
  return own.filter(({ share = 1 }) => share === longest);
}
