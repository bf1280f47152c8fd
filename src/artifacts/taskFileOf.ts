import type { LearnedTask } from '../tasks/task.js';
import type { TaskFile } from './taskFile.js';

/** What task.json says of a task. */
export function taskFileOf(task: LearnedTask, maxLength: number): TaskFile {
  const { name, kind, labels, columns, metrics } = task;
  const facts = (kind.facts?.keys ?? []).filter((key) => task[key] !== undefined);
  return {
    format: 'diffora-task/1',
    name,
    kind,
    labels: [...labels],
    columns: { ...columns },
    metrics: [...metrics],
    ...Object.fromEntries(facts.map((key) => [key, task[key]])),
    maxLength,
  };
}
