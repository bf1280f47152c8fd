import { taskFileOf } from '../artifacts/taskFileOf.js';
import { countParameters } from '../engine/parameters.js';
import { withOutputFolder } from '../files/atomic.js';
import { saveTrained } from '../jobs/runFolder.js';
import { type TrainedRun, trainIn } from '../jobs/trainedRun.js';
import type { LoadedModel } from '../models/loading/loadModel.js';
import type { ProgressOptions } from '../reporter.js';
import type { Task } from '../tasks/task.js';
import { type Adapter, adapterOf } from './adapter.js';
import { openLoaded, type TrainSettings } from './settings.js';

/** An adapter that has been trained, with what its training gave. */
export interface TrainedAdapter
  extends Adapter,
    Pick<TrainedRun, 'dam' | 'steps' | 'metrics' | 'bestStep' | 'scores' | 'validation' | 'seconds'> {
  /** Numbers that were trained, head included. */
  readonly trainable: number;
  /**
   * Writes an adapter folder, whole or not at all: weights and config in PEFT's format (where PEFT has the method),
   * tokenizer, task.json and a model card.
   * @throws DiffoError when the folder is there and not empty, unless `overwrite`
   */
  save(folder: string, options?: { readonly overwrite?: boolean }): Promise<void>;
}

/**
 * Selects modules (with `method: 'diffora'`, the default, or `select`), fine-tunes, and scores on the dev split, in
 * memory. The same model, task and settings give the same bits, whatever else goes on in the process.
 *
 * @param settings see {@link TrainSettings}; every one has a default
 * @returns the adapter, to be closed once it is no longer needed
 * @throws DiffoError for settings that exclude each other, a run that does not fit into memory, a loss that diverges;
 *   the signal's reason after an abort
 * @example
 * const model = await loadModel('sentence-transformers/all-MiniLM-L6-v2');
 * const task = await loadTask('reviews.csv');
 * const adapter = await train(model, task, { method: 'diffora', epochs: 2, seed: 1 });
 * console.log(adapter.scores, await adapter.predict(['Arrived late, works well']));
 * await adapter.save('adapters/reviews');
 * await adapter.close();
 */
export async function train(
  model: LoadedModel,
  task: Task,
  settings: TrainSettings = {},
  options: ProgressOptions = {},
): Promise<TrainedAdapter> {
  const { workspace, config, context } = await openLoaded(model, task, settings, options);
  const run = await trainIn(workspace, config, context);
  const { plan, parameters, dam, steps, metrics, bestStep, scores, validation, seconds } = run;
  // Not the workspace, nor its task: the examples would stay in memory for as long as the adapter does.
  const { opened, maxLength, trainedRows } = workspace;
  const learnedTask = taskFileOf({ ...workspace.task, ...run.found }, maxLength);
  const learned = {
    name: `The adapter of ${learnedTask.name}`,
    task: learnedTask,
    trainedRows,
    opened,
    plan,
    parameters,
  };
  const save: TrainedAdapter['save'] = (folder, { overwrite = false } = {}) =>
    withOutputFolder(
      folder,
      (target) => saveTrained(target, { opened, task: learnedTask, maxLength, trainedRows }, run),
      {
        existing: overwrite ? 'replace' : 'refuse',
      },
    );
  return {
    ...adapterOf(learned, config.run.threads),
    ...{ dam, steps, metrics, bestStep, scores, validation, seconds },
    trainable: countParameters(parameters),
    save,
  };
}
