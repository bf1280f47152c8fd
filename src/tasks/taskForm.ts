import { isTablePath, startsAsList } from '../data/readers/index.js';
import { isDescriptionPath } from './description.js';
import { TASKS } from './known/registry.js';
import type { TaskFactory } from './taskOptions.js';

/** How a task is named: one that is known, a file of rows, a file that describes one, or none of these. */
export type TaskForm = 'known' | 'table' | 'description' | 'unknown';

/** What makes a known task; case, hyphens and underlines of its name do not matter (`SST-2` is `sst2`). */
export function knownFactory(name: string): TaskFactory | undefined {
  return [...TASKS].find(([known]) => plainName(known) === plainName(name))?.[1];
}

/** By the name, and of a `.json`, which may be of either form, by its first letter. */
export function taskForm(nameOrFile: string): TaskForm {
  if (knownFactory(nameOrFile) !== undefined) return 'known';
  if (isTablePath(nameOrFile) || startsAsList(nameOrFile)) return 'table';
  return isDescriptionPath(nameOrFile) ? 'description' : 'unknown';
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '');
}
