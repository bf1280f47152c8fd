import type { Example, Split, SplitName } from '../data/types.js';
import type { Task } from './task.js';

/** A split of a task, with its examples of each label. */
export function splitOf(
  { kind, labels }: Pick<Task, 'kind' | 'labels'>,
  name: SplitName,
  examples: readonly Example[],
  source: string,
): Split {
  return { name, examples, source, labelCounts: kind.labelCounts(labels, examples) };
}
