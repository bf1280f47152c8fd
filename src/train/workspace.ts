import { holdOut } from '../data/stratify.js';
import type { Task } from '../data/types.js';
import { usageError } from '../errors.js';
import { restrictColumns } from '../selection/targets.js';
import { headPartOf, type LoadedAdapter, openAdapter } from './adapterFolder.js';
import { hasMatrix, type TrainConfig } from './config.js';
import {
  type EncodedSplit,
  encodeTaskSplit,
  loadSplit,
  noteNewHead,
  type OpenedModel,
  openConfiguredTask,
  openModelByName,
  outputsOf,
} from './context.js';
import type { Reporter } from './reporter.js';

/** A task and a model with both splits as tokens: what several runs can share. */
export interface Workspace {
  readonly opened: OpenedModel;
  readonly task: Task;
  readonly train: EncodedSplit;
  readonly dev: EncodedSplit;
  /** The adapter that a run goes on from. */
  readonly adapter?: LoadedAdapter | undefined;
}

/** Opens the model and the task of a configuration and encodes the splits. */
export async function openWorkspace(config: TrainConfig, reporter: Reporter, signal?: AbortSignal): Promise<Workspace> {
  const task = await openConfiguredTask(config, reporter);
  // Data first: what is wrong with them should not have to wait for a download.
  const [trainSplit, devSplit] = [await loadSplit(task, 'train'), await loadSplit(task, 'dev')];
  const adapter = config.adapter === undefined ? undefined : await openAdapterFor(config.adapter, task, config);
  const head = adapter === undefined ? config.head : headPartOf(adapter);
  const any = await openModelByName(config.model, { numLabels: outputsOf(task), head }, reporter, signal);
  if (adapter === undefined) noteNewHead(any.model, reporter);
  const restricted = adapter === undefined && hasMatrix(config) && config.select !== 'list';
  const opened = restricted ? { ...any, model: restrictColumns(any.model, config.targets) } : any;
  const train = encodeTaskSplit(opened, task, trainSplit, config, reporter);
  if (config.validationShare !== undefined) return { opened, task, ...withoutDev(train, config), adapter };
  const dev = encodeTaskSplit(opened, task, devSplit, config, reporter);
  return { opened, task, train, dev, adapter };
}

/** A part of the training data in the place of the dev split, which is left alone. */
function withoutDev(
  { split, encoded }: EncodedSplit,
  { validationShare, seed }: Pick<TrainConfig, 'validationShare' | 'seed'>,
): { train: EncodedSplit; dev: EncodedSplit } {
  const { kept, heldOut } = holdOut(encoded, validationShare!, seed);
  const source = `${split.source} (share ${validationShare} held out, seed ${seed})`;
  return { train: { split, encoded: kept }, dev: { split: { ...split, source }, encoded: heldOut } };
}

/** @throws DiffoError (usage) when the adapter is for another model or has another number of outputs */
async function openAdapterFor(path: string, task: Task, config: TrainConfig): Promise<LoadedAdapter> {
  const adapter = await openAdapter(path);
  if (adapter.baseModel !== config.model.split('@')[0] && adapter.baseModel !== config.model) {
    throw usageError(`${adapter.folder} is for ${adapter.baseModel}, not for ${config.model}. Give --model its model.`);
  }
  const [needed, known] = [outputsOf(task), outputsOf(adapter.task)];
  if (known !== needed) {
    throw usageError(`Task ${task.name} needs ${needed} outputs; ${adapter.folder} has ${known}.`);
  }
  return adapter;
}
