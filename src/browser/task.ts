import { allTabKinds, tabKinds } from '../tasks/kinds/tabKinds.js';
import type { Task } from '../tasks/task.js';
import { type ExampleRow, type RowsOptions, taskOfRows } from '../tasks/taskOfRows.js';

/** What is not to be as {@link taskFromExamples} finds it. */
export interface TaskFromExamplesOptions
  extends Pick<RowsOptions, 'name' | 'columns' | 'labels' | 'dev' | 'seed' | 'warn'> {
  /** What is learned, where the rows alone do not tell. */
  readonly kind?: keyof typeof tabKinds | undefined;
}

/**
 * A task from examples in memory: regression where labels are numbers and not all whole, else classification into the
 * labels that occur, sorted. Without `dev` a tenth is held out to be scored.
 *
 * @param train rows of `text` (or `text1` and `text2`, or `sentence1` and `sentence2`) and `label`; with other names, `columns` says so
 * @throws DiffoError that names the example: a missing text or label, a class of one example, a label that is not known
 * @example
 * const task = taskFromExamples([{ text: 'Arrived late, works well', label: 'good' }, …]);
 */
export function taskFromExamples(train: readonly ExampleRow[], options: TaskFromExamplesOptions = {}): Task {
  const { kind, columns = pairColumns(train), ...rest } = options;
  return taskOfRows(train, { ...rest, columns, kind: kind && tabKinds[kind] }, allTabKinds);
}

function pairColumns([first = {}]: readonly ExampleRow[]) {
  return 'text1' in first && 'text2' in first ? { text: 'text1', pair: 'text2', label: 'label' } : undefined;
}
