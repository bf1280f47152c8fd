import { makeSplit } from '../data/split.js';
import type { Example, Split, SplitName } from '../data/types.js';
import type { Task } from './task.js';

/** A split of a task, with its examples of each label. */
export function splitOf(
  { kind, labels }: Pick<Task, 'kind' | 'labels'>,
  name: SplitName,
  examples: readonly Example[],
  source: string,
): Split {
  return makeSplit(name, examples, source, kind.labelCounts(labels, examples));
}
