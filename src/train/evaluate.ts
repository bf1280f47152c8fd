import { existsSync } from 'node:fs';
import { holdsRows } from '../data/readers/index.js';
import { openTask } from '../data/tasks/openTask.js';
import { TASKS } from '../data/tasks/registry.js';
import { rowsToScore } from '../data/tasks/rowsToScore.js';
import type { MetricName, SplitName, Task } from '../data/types.js';
import { DiffoError, usageError } from '../errors.js';
import { headPartOf, type LoadedAdapter, openAdapter, placeAdapter, refuseNotFinite } from './adapterFolder.js';
import { checkBase } from './checkBase.js';
import { chosenMetrics, openModelByName } from './context.js';
import { taskReports } from './downloads.js';
import type { Scores } from './kinds/kind.js';
import type { Reporter } from './reporter.js';
import { forScoring, loadSplit, outputsOf, scorerOf, sequenceLimit } from './splits.js';
import { scoreExamples } from './trainedRun.js';

export interface AdapterOptions {
  /** An adapter folder or a run folder. */
  readonly adapter: string;
  /** The base model, when it is not the one that the adapter names. */
  readonly model?: string | undefined;
  /** Take a base that is not the one that the adapter was trained on, with a warning. */
  readonly anyBase?: boolean | undefined;
  readonly threads: number;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
}

/** Opens an adapter on its base model, ready to predict. */
export async function openAdapted(options: AdapterOptions) {
  const { adapter: path, model: name, anyBase = false, reporter, signal } = options;
  const loaded: LoadedAdapter = await openAdapter(path);
  const { source, baseModel, revision, taskType } = loaded;
  if (source.format === 'peft' && source.adapter.unknownFields.length > 0) {
    const fields = source.adapter.unknownFields.join(', ');
    reporter.warn(`${loaded.folder}: fields that PEFT 0.21 does not know are kept and ignored: ${fields}`);
  }
  const named = revision === undefined || existsSync(baseModel) ? baseModel : `${baseModel}@${revision}`;
  const model = name ?? named;
  const head = { taskType, numLabels: outputsOf(loaded.task), head: headPartOf(loaded) } as const;
  const opened = await openModelByName(model, head, reporter, signal).catch((error) => {
    if (name !== undefined || !(error instanceof DiffoError)) throw error;
    const hint = `That is the base model which ${loaded.folder} names; --model gives another place of it.`;
    throw new DiffoError(`${error.message} ${hint}`, { cause: error });
  });
  const placed = placeAdapter(loaded, opened.model);
  refuseNotFinite(loaded.folder, placed.parameters);
  await checkBase(loaded, opened.model, anyBase, reporter);
  return { loaded, opened, ...placed };
}

export interface EvaluateOptions extends AdapterOptions {
  readonly task?: string | undefined;
  /** Default `dev`; a file of rows has no splits, all of it is scored. */
  readonly split?: SplitName | undefined;
  readonly dataDir?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly pairColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly maxLength?: number | undefined;
  readonly stride?: number | undefined;
  readonly nullScoreDiffThreshold?: number | undefined;
  readonly maxEvalSamples?: number | undefined;
  readonly metrics?: readonly MetricName[] | undefined;
}

export interface Evaluation {
  readonly task: string;
  /** Undefined where all rows of a file were scored. */
  readonly split?: SplitName | undefined;
  readonly examples: number;
  readonly source: string;
  readonly scores: Scores;
}

/** `diffora eval`: the task's metrics on a split, or on all rows of a file. */
export async function evaluateAdapter(options: EvaluateOptions): Promise<Evaluation> {
  const { reporter, threads, signal } = options;
  const adapted = await openAdapted(options);
  const { opened, loaded } = adapted;
  const file = options.task !== undefined && (await holdsRows(options.task)) ? options.task : undefined;
  if (file !== undefined && options.split !== undefined) {
    throw usageError(`All rows of ${file} are scored; leave --split out, or name its parts in a task file.`);
  }
  const { textColumn, pairColumn, labelColumn } = options;
  const columns = { textColumn, pairColumn, labelColumn, warn: reporter.warn };
  const any = file === undefined ? await openTaskOf(loaded, options) : await rowsToScore(file, loaded.task, columns);
  const task = options.metrics === undefined ? any : { ...any, metrics: chosenMetrics(any, options.metrics) };
  const { name } = task;
  if (task.kind !== loaded.task.kind && loaded.task.name !== 'unknown') {
    throw usageError(`Task ${name} is of the kind ${task.kind}; ${loaded.folder} was trained for ${loaded.task.kind}.`);
  }
  if (task.kind !== 'language' && outputsOf(task) !== opened.model.numLabels) {
    throw usageError(`Task ${name} needs ${outputsOf(task)} outputs; ${loaded.folder} has ${opened.model.numLabels}.`);
  }
  if (`${task.labels}` !== `${loaded.task.labels}` && loaded.task.name !== 'unknown') {
    throw usageError(
      `Task ${name} has the labels ${task.labels.join(', ')}; ${loaded.folder} has ${loaded.task.labels.join(', ')}.`,
    );
  }
  const splitName = file !== undefined ? 'test' : (options.split ?? 'dev');
  if (!task.splits.includes(splitName)) {
    throw usageError(`Task ${name} has no split "${splitName}"; it has: ${task.splits.join(', ')}.`);
  }
  const { maxEvalSamples, stride, nullScoreDiffThreshold } = options;
  const maxLength = sequenceLimit(opened.model, opened.tokenizer, options.maxLength ?? loaded.task.maxLength);
  const split = await loadSplit(task, splitName);
  const used = { split, examples: forScoring(split.examples, { maxEvalSamples }) };
  const scorer = await scorerOf(opened, task, used, { maxLength, stride, signal }, reporter);
  const scoring = { nullScoreDiffThreshold, threads, signal };
  const { scores } = await scoreExamples(scorer, adapted, used.examples.length, scoring, reporter);
  const scored = { task: name, examples: used.examples.length, source: split.source, scores };
  return file !== undefined ? scored : { ...scored, split: splitName };
}

/** The task to score on: the one that is named, else the one that was learned, where that is a known one. */
function openTaskOf({ folder, task }: LoadedAdapter, options: EvaluateOptions): Promise<Task> {
  const { dataDir, textColumn, pairColumn, labelColumn, reporter, signal } = options;
  const name = options.task ?? task.name;
  if (options.task === undefined && !TASKS.has(name)) {
    throw usageError(`${folder} was trained on data that it does not know the place of; name it with --task.`);
  }
  return openTask(name, { dataDir, textColumn, pairColumn, labelColumn, ...taskReports(reporter, signal) });
}
