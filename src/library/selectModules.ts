import { selectModules as selectIn } from '../jobs/selectModules.js';
import type { LoadedModel } from '../models/loading/loadModel.js';
import type { ProgressOptions } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import type { Task } from '../tasks/task.js';
import { openLoaded, type TrainSettings } from './settings.js';

/**
 * Decides which modules of a model get an adapter for a task, from its training examples alone: DiffoRA's search, or the
 * way that `settings.select` names. Give the matrix to {@link train} as `settings.dam`, as often as wanted.
 *
 * @returns the Differential Adaptation Matrix, Γ being `gamma` [layers, modules]
 * @throws DiffoError for settings that exclude each other, a run that does not fit into memory, a search that diverges
 * @example
 * const dam = await selectModules(model, task, { seed: 1 });
 * console.log(heatMap(dam, { width: 80, colorLevel: 0 }));
 */
export async function selectModules(
  model: LoadedModel,
  task: Task,
  settings: Omit<TrainSettings, 'dam' | 'adapter'> = {},
  options: ProgressOptions = {},
): Promise<Dam> {
  const { workspace, config, context } = await openLoaded(model, task, settings, options, 'select');
  const { opened, train } = workspace;
  const { dam } = await selectIn(opened.model, workspace.task, train.encoded, config, context);
  return dam;
}
