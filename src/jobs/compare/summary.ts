import { isBetter, type MetricName, metrics as metricTable } from '../../metrics/names.js';
import type { CompareRecord } from './records.js';
import type { Comparison, ReportedTask } from './run.js';
import { type Interval, labelScore, mean, pairedDifference, sampleDeviation, sumScore } from './statistics.js';

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
}

/** A model on a task: a table. */
export interface TableSummary {
  readonly model: string;
  readonly task: string;
  /** Trained numbers that its methods were to have, head apart. */
  readonly budget: number;
  readonly metrics: readonly MetricName[];
  readonly examples: number;
  readonly methods: readonly MethodSummary[];
  /** Methods that cannot be so small, and why. */
  readonly leftOut: readonly { readonly method: string; readonly reason: string }[];
  /** The best mean of the first metric. */
  readonly best: string | undefined;
  readonly runnerUp: string | undefined;
  /** Best minus runner-up. */
  readonly lead: Interval | undefined;
}

/** True where the best is told from the runner-up: the interval of their difference leaves 0 out. */
export function isClear({ lead, metrics: [first] }: Pick<TableSummary, 'lead' | 'metrics'>): boolean {
  if (lead === undefined || first === undefined) return false;
  return metricTable[first].better === 'higher' ? lead.low > 0 : lead.high < 0;
}

/** The tables of a comparison, in the order of its configuration. */
export function summarise(comparison: Comparison): TableSummary[] {
  const { config, tasks } = comparison;
  return config.models.flatMap((model) =>
    tasks.flatMap((facts) => config.budgets.map((budget) => tableOf(comparison, model, facts, budget))),
  );
}

function tableOf(
  { config, runs, leftOut }: Comparison,
  model: string,
  facts: ReportedTask,
  budget: number,
): TableSummary {
  const { metrics } = facts.task;
  const left = leftOut.filter(
    ({ cell }) => cell.model === model && cell.task.name === facts.name && cell.budget === budget,
  );
  // What has no budget of its own stands in the tables of all.
  const ofMethod = (method: string) =>
    runs.filter(
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
      scores: Object.fromEntries(metrics.map((name) => [name, meanScore(done, name)])),
      size,
      offBudget: size === undefined ? undefined : size / budget - 1,
      fits: method.fits,
      seconds: meanOf(done.map(({ seconds }) => seconds?.total)),
      peakMemoryBytes: meanOf(done.map(({ peakMemoryBytes }) => peakMemoryBytes)),
      difference: method.name === config.reference ? undefined : difference(done, references, facts),
    };
  });
  const ranked = methods
    .map((one) => ({ one, score: one.scores[metrics[0]!]?.mean ?? Number.NaN }))
    .filter(({ score }) => Number.isFinite(score))
    .sort((a, b) => (a.score === b.score ? 0 : isBetter(metrics[0]!, a.score, b.score) ? -1 : 1))
    .map(({ one }) => one);
  const [best, runnerUp] = ranked;
  return {
    model,
    task: facts.name,
    budget,
    metrics,
    examples: facts.examples,
    methods,
    leftOut: left.map(({ cell, reason }) => ({ method: cell.method.name, reason })),
    best: best?.method,
    runnerUp: runnerUp?.method,
    lead: best && runnerUp ? difference(best.runs, runnerUp.runs, facts) : undefined,
  };
}

function meanScore(runs: readonly CompareRecord[], name: MetricName): MeanScore {
  const scores = runs.map(({ scores }) => scores?.[name] ?? Number.NaN);
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
  const pairsOf = <T>(of: (run: CompareRecord) => readonly T[] | undefined) =>
    ones.flatMap((run) => {
      const counterpart = others.find(({ seed }) => seed === run.seed);
      const [one, other] = [of(run), counterpart && of(counterpart)];
      return one !== undefined && other !== undefined ? [{ one, other }] : [];
    });
  const [metric] = task.metrics;
  const predicted = pairsOf((run) => run.predicted);
  if (predicted.length > 0) return pairedDifference(predicted, examples, labelScore(labels, metric!, task));
  const summed = pairsOf((run) => run.statistics);
  return summed.length === 0 ? undefined : pairedDifference(summed, examples, sumScore(metric!));
}
