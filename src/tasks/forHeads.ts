import type { TaskType } from '../models/model.js';
import type { Kind } from './kinds/kind.js';

/**
 * A task as a model learns it: by the kind that its rows are also of, where the model has no head for the task's own.
 * @param heads of the model
 */
export function forHeads<Asked extends { readonly kind: Kind }>(task: Asked, heads: readonly TaskType[]): Asked {
  const kind = task.kind.insteadFor?.(heads);
  return kind === undefined ? task : { ...task, kind };
}
