import { estimateOf, type RunEstimate } from '../jobs/estimate.js';
import type { LoadedModel } from '../models/loading/loadModel.js';
import type { ProgressOptions } from '../reporter.js';
import type { Task } from '../tasks/task.js';
import { openLoaded, type TrainSettings } from './settings.js';

/**
 * Says what a training would do and take, as `diffora train --dry-run`: steps, numbers that are trained, memory, and the time by a few
 * steps, which are done and thrown away. Model and task stay as they are, and nothing is written.
 *
 * @param settings see {@link TrainSettings}
 * @returns memory in bytes, times in seconds; the time is undefined where the memory is not free
 * @throws DiffoError as {@link train}; the signal's reason after an abort
 * @example
 * const { trainSteps, memoryBytes, time } = await estimate(model, task, { method: 'lora', epochs: 3 });
 * console.log(`${trainSteps} steps in about ${time?.seconds} s`);
 */
export async function estimate(
  model: LoadedModel,
  task: Task,
  settings: TrainSettings = {},
  options: ProgressOptions = {},
): Promise<RunEstimate> {
  const started = performance.now();
  const { workspace, config, context } = await openLoaded(model, task, settings, options);
  return estimateOf(workspace, config, (performance.now() - started) / 1000, context);
}
