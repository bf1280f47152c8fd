import type { Task } from '../data/types.js';
import { restrictColumns } from '../selection/targets.js';
import type { TrainConfig } from './config.js';
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
}

/** Opens the model and the task of a configuration and encodes the splits. */
export async function openWorkspace(config: TrainConfig, reporter: Reporter, signal?: AbortSignal): Promise<Workspace> {
  const task = await openConfiguredTask(config, reporter);
  // Data first: what is wrong with them should not have to wait for a download.
  const [trainSplit, devSplit] = [await loadSplit(task, 'train'), await loadSplit(task, 'dev')];
  const any = await openModelByName(config.model, { numLabels: outputsOf(task), head: config.head }, reporter, signal);
  noteNewHead(any.model, reporter);
  const opened = config.method === 'diffora' ? { ...any, model: restrictColumns(any.model, config.targets) } : any;
  const train = encodeTaskSplit(opened, task, trainSplit, config, reporter);
  const dev = encodeTaskSplit(opened, task, devSplit, config, reporter);
  return { opened, task, train, dev };
}
