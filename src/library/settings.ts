import { usageError } from '../errors.js';
import { guardMemory } from '../jobs/estimate.js';
import { workspaceOf } from '../jobs/workspace.js';
import type { LoadedModel } from '../models/loading/loadModel.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import { parseTrainConfig, type RunCommand, type TrainConfigInput, type TrainKey } from '../settings/config.js';
import { withMetrics } from '../tasks/chosenMetrics.js';
import type { Task } from '../tasks/task.js';

/** Settings that a loaded model and task have taken, and those of a run folder. */
const taken = [
  'model',
  'task',
  'dataDir',
  'textColumn',
  'pairColumn',
  'labelColumn',
  'saveSteps',
  'keepCheckpoints',
  'log',
  'logDir',
  'reduce',
] as const satisfies readonly TrainKey[];

/**
 * Settings of a training in memory, named and defaulted as in {@link TrainConfig}; that of model and task are loaded, and
 * those of a run folder (checkpoints, logs) have no place. All may be left out.
 */
export type TrainSettings = Omit<TrainConfigInput, (typeof taken)[number] | 'dam'> & {
  /** The matrix to use instead of selecting: one that {@link selectModules} gave, or a dam.json. */
  readonly dam?: Dam | string | undefined;
};

/** What a task and a loaded model need to be trained as settings say. @throws DiffoError (usage) for a wrong setting */
export async function openLoaded(
  model: LoadedModel,
  asked: Task,
  { dam, ...settings }: TrainSettings,
  { reporter = silent, signal }: ProgressOptions,
  command: RunCommand = 'train',
) {
  const strange = taken.find((key) => key in settings);
  if (strange !== undefined) {
    throw usageError(`settings: "${strange}" is that of a run folder, or of what is loaded. Leave it out.`);
  }
  const matrix = dam === undefined ? {} : { dam: typeof dam === 'string' ? dam : 'a matrix in memory' };
  const all = { ...settings, ...matrix, model: model.name, task: asked.name };
  const config = parseTrainConfig(all, 'settings', { command });
  const task = withMetrics(asked, config.data.metrics);
  const given = typeof dam === 'object' ? dam : undefined;
  const workspace = await workspaceOf(task, async () => model, config, { reporter, signal }, given);
  guardMemory(workspace, config, reporter);
  return { workspace, config, context: { reporter, signal } };
}
