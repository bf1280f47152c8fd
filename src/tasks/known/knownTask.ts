import { isDeepStrictEqual } from 'node:util';
import type { LearnedTask, Task } from '../task.js';
import { TASKS } from './registry.js';

/** The known task that was learned; undefined for one's own, even where it has the name of a known one. */
export function knownTask(learned: LearnedTask): Task | undefined {
  const known = TASKS.get(learned.name)?.({ warn: () => {} });
  const isSame =
    known?.kind === learned.kind &&
    isDeepStrictEqual(known.columns, learned.columns) &&
    known.generation?.prompt === learned.generation?.prompt;
  return isSame ? known : undefined;
}
