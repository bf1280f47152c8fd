import { allKinds, type KindName, kinds } from './kinds/registry.js';
import type { Task } from './task.js';
import { type ExampleRow, type RowsOptions, taskOfRows } from './taskOfRows.js';

/** What is not to be as {@link taskFromExamples} finds it. */
export interface TaskFromExamplesOptions extends Omit<RowsOptions, 'kind'> {
  /** What is learned, where the rows alone do not tell. */
  readonly kind?: KindName | undefined;
}

/**
 * A task from examples in memory, as a data file of the same rows would give it: regression where labels are numbers and
 * not all whole, else classification into the labels that occur, sorted.
 *
 * @param train rows of `text` (or `sentence`), `label`, and `pair` for pairs of texts; with other names, `columns` says so
 * @throws DiffoError that names the example: a missing text or label, a class of one example, a label that is not known
 * @example
 * const task = taskFromExamples(mails.map(({ body, isSpam }) => ({ text: body, label: isSpam ? 'spam' : 'ham' })));
 */
export function taskFromExamples(train: readonly ExampleRow[], options: TaskFromExamplesOptions = {}): Task {
  const { kind, ...rest } = options;
  return taskOfRows(train, { ...rest, kind: kind && kinds[kind] }, allKinds);
}
