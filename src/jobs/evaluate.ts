import type { LoadedAdapter } from '../artifacts/adapterFolder.js';
import type { Identity } from '../artifacts/checkpoints/format.js';
import { type AdapterOptions, type Learned, openAdapted } from '../artifacts/openAdapted.js';
import { weightsHash } from '../checkpoint/weightsHash.js';
import { holdsRows } from '../data/readers/index.js';
import { splitHash } from '../data/split.js';
import type { Split, SplitName } from '../data/types.js';
import { usageError } from '../errors.js';
import type { MetricName } from '../metrics/names.js';
import type { Scores } from '../metrics/scores.js';
import { headsOf } from '../models/registry.js';
import type { Ranks } from '../mpi/ranks.js';
import { type ProgressOptions, silent } from '../reporter.js';
import { refuseIdlePlaces, usualThreads } from '../settings/config.js';
import { withMetrics } from '../tasks/chosenMetrics.js';
import { forHeads } from '../tasks/forHeads.js';
import type { KindFacts } from '../tasks/kinds/kind.js';
import { TASKS } from '../tasks/known/registry.js';
import { openTask } from '../tasks/openTask.js';
import { rowsToScore } from '../tasks/rowsToScore.js';
import { forScoring, learnedLength, loadSplit, outputsOf, scorerOf } from '../tasks/splits.js';
import { isUnknown, type LearnedTask, type Task } from '../tasks/task.js';
import type { ColumnOptions } from '../tasks/taskOptions.js';
import { taskReports } from '../tasks/taskReports.js';
import { refuseOthers } from './alike.js';
import { refuseUnread } from './taskSettings.js';
import { warnOfTrained } from './trainedOn.js';
import { scoreExamples } from './trainedRun.js';

/** How a task is scored. */
export interface ScoringOptions extends ProgressOptions {
  /** Which split of the task; default `dev`. */
  readonly split?: SplitName | undefined;
  /** Longest sequence in tokens; default: as it was trained. */
  readonly maxLength?: number | undefined;
  /** Span tasks: tokens that neighbouring windows of a long passage share. */
  readonly stride?: number | undefined;
  /** Span tasks: an answer is left out where there being none has a score higher by more than this. Default 0. */
  readonly nullScoreDiffThreshold?: number | undefined;
  /** Score so many examples, drawn by label, the same at every call; default: all. */
  readonly maxEvalSamples?: number | undefined;
  /** Some of the task's metrics; default: all. */
  readonly metrics?: readonly MetricName[] | undefined;
  /** Default: all that the machine has. */
  readonly threads?: number | undefined;
  /**
   * Ranks that share the examples out.
   * @internal
   */
  readonly ranks?: Ranks | undefined;
  /**
   * What the adapter is told by, on several ranks.
   * @internal
   */
  readonly adapterHash?: Identity[string] | undefined;
}

/** What `diffora eval` is to score, and on what. */
export interface EvaluateOptions extends AdapterOptions, Omit<ScoringOptions, keyof AdapterOptions>, ColumnOptions {
  /** A known task, a file of rows or a task file; default: the task that was learned, where that is a known one. */
  readonly task?: string | undefined;
  readonly dataDir?: string | undefined;
}

/** The scores of a task. */
export interface Evaluation {
  readonly task: string;
  /** Undefined where all rows of a file were scored. */
  readonly split?: SplitName | undefined;
  readonly examples: number;
  readonly source: string;
  readonly scores: Scores;
  /** How many of the examples have a text that the adapter was trained on; undefined where it does not know. */
  readonly trainedOn?: number | undefined;
}

/** `diffora eval`: the task's metrics on a split, or on all rows of a file. */
export async function evaluateAdapter(options: EvaluateOptions): Promise<Evaluation> {
  const { reporter = silent } = options;
  if (options.task !== undefined) refuseIdlePlaces(options, options.task);
  const learned = await openAdapted(options);
  const file = options.task !== undefined && (await holdsRows(options.task)) ? options.task : undefined;
  const { folder, sha256 } = learned.loaded;
  const scoring = { ...options, adapterHash: { source: folder, sha256 } };
  if (file === undefined) return scoreTask(learned, await openTaskOf(learned.loaded, options), scoring);
  if (options.split !== undefined) {
    throw usageError(`All rows of ${file} are scored; leave --split out, or name its parts in a task file.`);
  }
  const { textColumn, pairColumn, labelColumn } = options;
  const { warn, info } = reporter;
  const task = await rowsToScore(file, learned.task, { textColumn, pairColumn, labelColumn, warn, info });
  const { split: _, ...scored } = await scoreTask(learned, task, { ...scoring, split: 'test' });
  return scored;
}

/**
 * The metrics of a task under an adapter.
 * @throws DiffoError (usage) when the adapter was trained for a task of another kind or with other labels
 */
export async function scoreTask(learned: Learned, asked: Task, options: ScoringOptions): Promise<Evaluation> {
  const { reporter = silent, threads = usualThreads, signal, split: splitName = 'dev' } = options;
  const { opened, task: known } = learned;
  const rows = forHeads(asked, headsOf(opened.model.checkpoint));
  const task = { ...withMetrics(rows, options.metrics), ...ownFacts(known) };
  const { name } = task;
  const { maxEvalSamples, stride, nullScoreDiffThreshold } = options;
  refuseUnread({ stride, nullScoreDiffThreshold }, task);
  if (task.kind !== known.kind && !isUnknown(known)) {
    throw usageError(
      `Task ${name} is of the kind ${task.kind.name}; ${learned.name} was trained for ${known.kind.name}.`,
    );
  }
  const outputs = outputsOf(task);
  if (outputs > 0 && outputs !== opened.model.numLabels) {
    throw usageError(`Task ${name} needs ${outputs} outputs; ${learned.name} has ${opened.model.numLabels}.`);
  }
  if (`${task.labels}` !== `${known.labels}` && !isUnknown(known)) {
    throw usageError(
      `Task ${name} has the labels ${task.labels.join(', ')}; ${learned.name} has ${known.labels.join(', ')}.`,
    );
  }
  if (!task.splits.includes(splitName)) {
    throw usageError(`Task ${name} has no split "${splitName}"; it has: ${task.splits.join(', ')}.`);
  }
  const maxLength = learnedLength(opened, options.maxLength, known, learned.name);
  const split = await loadSplit(task, splitName);
  if (options.ranks !== undefined)
    await refuseOthers(options.ranks, undefined, await identityOf(learned, split, options));
  const used = { split, examples: forScoring(split.examples, { maxEvalSamples }) };
  const trainedOn = learned.trainedRows && warnOfTrained(learned.trainedRows, name, used, reporter);
  const encoded = await scorerOf(opened, task, used, { maxLength, stride, threads, signal }, reporter);
  const scorer = await encoded.open(learned, { threads, ranks: options.ranks });
  const scoring = { nullScoreDiffThreshold, signal };
  const { scores } = await scoreExamples(scorer, used.examples.length, scoring, reporter).finally(scorer.release);
  const { source } = split;
  return { task: name, split: splitName, examples: used.examples.length, source, scores, trainedOn };
}

/** What ranks must have alike. */
async function identityOf(
  { opened }: Learned,
  split: Split,
  { adapterHash }: Pick<ScoringOptions, 'adapterHash'>,
): Promise<Identity> {
  const { checkpoint } = opened.model;
  return {
    dev: { source: split.source, sha256: splitHash(split) },
    model: { source: checkpoint.folder, sha256: await weightsHash(checkpoint) },
    ...(adapterHash === undefined ? {} : { adapter: adapterHash }),
  };
}

/** What of a task belongs to the adapter that has learned it, such as thresholds that were chosen in training. */
function ownFacts(known: LearnedTask): KindFacts {
  const keys = known.kind.ownFacts ?? [];
  return Object.fromEntries(keys.flatMap((key) => (known[key] === undefined ? [] : [[key, known[key]]])));
}

/** The task to score on: the one that is named, else the one that was learned, where that is a known one. */
function openTaskOf({ folder, task }: LoadedAdapter, options: EvaluateOptions): Promise<Task> {
  const { dataDir, textColumn, pairColumn, labelColumn, reporter = silent, signal } = options;
  const name = options.task ?? task.name;
  if (options.task === undefined && !TASKS.has(name)) {
    throw usageError(`${folder} was trained on data that it does not know the place of; name it with --task.`);
  }
  return openTask(name, { dataDir, textColumn, pairColumn, labelColumn, ...taskReports(reporter, signal) });
}
