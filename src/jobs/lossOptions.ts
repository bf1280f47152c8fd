import type { EncodedExample } from '../engine/batch.js';
import { nearestNames, usageError } from '../errors.js';
import type { OptimisationConfig } from '../settings/config.js';
import type { LossOptions } from '../tasks/kinds/label.js';
import type { Task } from '../tasks/task.js';

/**
 * The loss that a configuration asks for. Balanced weights are n / (C · n_c), as scikit-learn has them.
 * @throws DiffoError (usage) for a class that the task does not have, or a regression task
 */
export function lossOptionsOf(
  { labelSmoothing, classWeights }: Pick<OptimisationConfig, 'labelSmoothing' | 'classWeights'>,
  task: Pick<Task, 'name' | 'kind' | 'labels'>,
  examples: readonly EncodedExample[],
): LossOptions {
  if (labelSmoothing === 0 && classWeights === undefined) return {};
  if (task.kind !== 'classification') {
    throw usageError(`--label-smoothing and --class-weights are for classes; ${task.name} has none.`);
  }
  if (classWeights === undefined) return { labelSmoothing };
  if (classWeights === 'balanced') {
    const counts = task.labels.map((_, c) => examples.filter(({ label }) => label === c).length);
    return {
      labelSmoothing,
      // A class without examples never occurs, so that its weight only matters to smoothing.
      classWeights: counts.map((count) => (count === 0 ? 1 : examples.length / (task.labels.length * count))),
    };
  }
  for (const name of Object.keys(classWeights)) {
    if (task.labels.includes(name)) continue;
    const nearest = nearestNames(name, task.labels).join(', ');
    throw usageError(`--class-weights ${name}: ${task.name} has no such class; nearest: ${nearest}.`);
  }
  return {
    labelSmoothing,
    classWeights: task.labels.map((name) => (Object.hasOwn(classWeights, name) ? classWeights[name]! : 1)),
  };
}
