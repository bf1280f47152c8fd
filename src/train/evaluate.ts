import { openTask } from '../data/tasks/openTask.js';
import type { SplitName, Task } from '../data/types.js';
import { usageError } from '../errors.js';
import { type LoadedAdapter, openAdapter, placeAdapter, refuseNotFinite } from './adapterFolder.js';
import { encodeTaskSplit, openModelByName, outputsOf } from './context.js';
import type { Reporter } from './reporter.js';
import { type Scores, scoreSplit } from './trainedRun.js';

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
  if (loaded.adapter.unknownFields.length > 0) {
    reporter.warn(
      `${loaded.folder}: fields that PEFT 0.21 does not know are ignored: ${loaded.adapter.unknownFields.join(', ')}`,
    );
  }
  const opened = await openModelByName(name ?? loaded.adapter.baseModel, outputsOf(loaded.task), reporter, signal);
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
}

/** `diffora eval`: the task's metrics on a split. */
export async function evaluateAdapter(
  options: EvaluateOptions,
): Promise<{ task: string; examples: number; scores: Scores }> {
  const { reporter, split: splitName, threads, signal } = options;
  const adapted = await openAdapted(options);
  const { opened, loaded } = adapted;
  const name = options.task ?? loaded.task.name;
  const { dataDir, textColumn, pairColumn, labelColumn } = options;
  const task: Task = await openTask(name, { dataDir, textColumn, pairColumn, labelColumn, warn: reporter.warn });
  if (outputsOf(task) !== opened.model.numLabels) {
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
  const config = { maxLength: options.maxLength ?? loaded.task.maxLength, seed: 0 };
  const split = await encodeTaskSplit(opened, task, splitName, config, reporter);
  const scores = await scoreSplit({ ...adapted, task }, split, threads, reporter, signal);
  return { task: name, examples: split.encoded.length, scores };
}
