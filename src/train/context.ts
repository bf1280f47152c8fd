import type { ResolvedModel } from '../checkpoint/resolve.js';
import type { Checkpoint } from '../checkpoint/types.js';
import { refuseSmallerFirst } from '../data/metrics.js';
import { openTask } from '../data/tasks/openTask.js';
import type { MetricName, Task } from '../data/types.js';
import { usageError } from '../errors.js';
import type { Model, ModelOptions } from '../models/model.js';
import { openModel } from '../models/registry.js';
import type { Tokenizer } from '../tokenize/index.js';
import type { TrainConfig } from './config.js';
import { taskReports } from './downloads.js';
import { type LoadedModel, loadModel } from './loadModel.js';
import type { Reporter } from './reporter.js';

/** A model with its tokenizer. */
export interface OpenedModel {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly resolved: ResolvedModel;
}

/** Finds, opens and checks a model with its head. */
export async function openModelByName(
  name: string,
  options: ModelOptions | ((checkpoint: Checkpoint) => ModelOptions),
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<OpenedModel> {
  return withHead(await loadModel(name, { reporter, signal }), options, reporter);
}

/** A loaded model with a head. @throws DiffoError when it can have none such, or its weights do not fit */
export function withHead(
  { name, checkpoint, tokenizer, resolved }: LoadedModel,
  options: ModelOptions | ((checkpoint: Checkpoint) => ModelOptions),
  reporter: Reporter,
): OpenedModel {
  const model = openModel(checkpoint, typeof options === 'function' ? options(checkpoint) : options);
  if (model.unused.length > 0) {
    const shown = model.unused.slice(0, 3).join(', ');
    const more = model.unused.length > 3 ? ` and ${model.unused.length - 3} more` : '';
    reporter.info(
      `${model.unused.length} tensors of ${name} have no place in the model and are left out: ${shown}${more}`,
    );
  }
  return { model, tokenizer, resolved };
}

/** Says which part of the head is made new because the checkpoint has none that fits. */
export function noteNewHead({ head, checkpoint }: Model, reporter: Reporter): void {
  const made = head.filter(({ stored }) => stored === undefined).map(({ name }) => name);
  if (made.length > 0) reporter.info(`The head is new, ${checkpoint.name} has none that fits: ${made.join(', ')}`);
}

/** The task of a configuration, with the metrics that are asked for. */
export async function openConfiguredTask(config: TrainConfig, reporter: Reporter, signal?: AbortSignal): Promise<Task> {
  const { dataDir, textColumn, pairColumn, labelColumn, metrics } = config;
  const columns = { textColumn, pairColumn, labelColumn };
  const task = await openTask(config.task, { dataDir, ...columns, ...taskReports(reporter, signal) });
  return withMetrics(task, metrics);
}

/** A task that is measured by some of its metrics, the first deciding; by all where none are named. */
export function withMetrics(task: Task, metrics: readonly MetricName[] | undefined): Task {
  if (metrics === undefined) return task;
  refuseSmallerFirst(metrics, '--metrics');
  return { ...task, metrics: chosenMetrics(task, metrics) };
}

/** @throws DiffoError (usage) for a metric that the task does not have */
export function chosenMetrics({ name, metrics: known }: Task, metrics: readonly MetricName[]): readonly MetricName[] {
  const strange = metrics.find((metric) => !known.includes(metric));
  if (strange === undefined) return metrics;
  throw usageError(`--metrics ${strange}: the task ${name} is not measured so; it has ${known.join(', ')}.`);
}
