import { existsSync } from 'node:fs';
import { isTablePath } from '../data/readers/index.js';
import { openTask } from '../data/tasks/openTask.js';
import { TASKS } from '../data/tasks/registry.js';
import type { MetricName, SplitName, Task } from '../data/types.js';
import { DiffoError, usageError } from '../errors.js';
import { headPartOf, type LoadedAdapter, openAdapter, placeAdapter, refuseNotFinite } from './adapterFolder.js';
import { chosenMetrics, openModelByName } from './context.js';
import { taskReports } from './downloads.js';
import type { Scores } from './kinds/kind.js';
import type { Reporter } from './reporter.js';
import { loadSplit, outputsOf, sequenceLimit, useSplit } from './splits.js';
import { scoreSplit } from './trainedRun.js';

export interface AdapterOptions {
  /** An adapter folder or a run folder. */
  readonly adapter: string;
  /** The base model, when it is not the one that the adapter names. */
  readonly model?: string | undefined;
  readonly threads: number;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
}

/** Opens an adapter on its base model, ready to predict. */
export async function openAdapted({ adapter: path, model: name, reporter, signal }: AdapterOptions) {
  const loaded: LoadedAdapter = await openAdapter(path);
  const { source, baseModel, revision, taskType } = loaded;
  if (source.format === 'peft' && source.adapter.unknownFields.length > 0) {
    const fields = source.adapter.unknownFields.join(', ');
    reporter.warn(`${loaded.folder}: fields that PEFT 0.21 does not know are kept and ignored: ${fields}`);
  }
  const named = revision === undefined || existsSync(baseModel) ? baseModel : `${baseModel}@${revision}`;
  const model = name ?? named;
  const head = headPartOf(loaded);
  const options = { taskType, numLabels: outputsOf(loaded.task), head } as const;
  const opened = await openModelByName(model, options, reporter, signal).catch((error) => {
    if (name !== undefined || !(error instanceof DiffoError)) throw error;
    const hint = `That is the base model which ${loaded.folder} names; --model gives another place of it.`;
    throw new DiffoError(`${error.message} ${hint}`, { cause: error });
  });
  const placed = placeAdapter(loaded, opened.model);
  refuseNotFinite(loaded.folder, placed.parameters);
  return { loaded, opened, ...placed };
}

export interface EvaluateOptions extends AdapterOptions {
  readonly task?: string | undefined;
  readonly split: SplitName;
  readonly dataDir?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly pairColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly maxLength?: number | undefined;
  readonly stride?: number | undefined;
  readonly nullScoreDiffThreshold?: number | undefined;
  readonly evalExamples?: number | undefined;
  readonly metrics?: readonly MetricName[] | undefined;
}

/** `diffora eval`: the task's metrics on a split. */
export async function evaluateAdapter(
  options: EvaluateOptions,
): Promise<{ task: string; examples: number; source: string; scores: Scores }> {
  const { reporter, split: splitName, threads, signal } = options;
  const adapted = await openAdapted(options);
  const { opened, loaded } = adapted;
  const any = await openTaskOf(loaded, options);
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
  if (!task.splits.includes(splitName)) {
    throw usageError(`Task ${name} has no split "${splitName}"; it has: ${task.splits.join(', ')}.`);
  }
  const { evalExamples, stride, nullScoreDiffThreshold } = options;
  const maxLength = sequenceLimit(opened.model, opened.tokenizer, options.maxLength ?? loaded.task.maxLength);
  const split = await loadSplit(task, splitName);
  const used = useSplit(split, { trainExamples: evalExamples, evalExamples, seed: 0 });
  const answering = { maxLength, stride, nullScoreDiffThreshold, threads, signal };
  const { scores } = await scoreSplit(adapted, task, used, answering, reporter);
  return { task: name, examples: used.examples.length, source: split.source, scores };
}

/** The task to score on. A data file has the columns that the adapter was trained with, where no others are named. */
function openTaskOf({ folder, task }: LoadedAdapter, options: EvaluateOptions): Promise<Task> {
  const { dataDir, textColumn, pairColumn, labelColumn, reporter, signal } = options;
  const name = options.task ?? task.name;
  if (options.task === undefined && !TASKS.has(name)) {
    throw usageError(`${folder} was trained on data that it does not know the place of; name it with --task.`);
  }
  const known = isTablePath(name) && task.name !== 'unknown' ? task.columns : undefined;
  return openTask(name, {
    dataDir,
    textColumn: textColumn ?? known?.text,
    pairColumn: pairColumn ?? known?.pair,
    labelColumn: labelColumn ?? known?.label,
    ...taskReports(reporter, signal),
  });
}
