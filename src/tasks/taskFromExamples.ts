import type { Table } from '../data/readers/index.js';
import { usageError } from '../errors.js';
import { type TaskTerms, taskOfTables } from './custom.js';
import { type KindName, kinds } from './kinds/registry.js';
import type { Task } from './task.js';

/** An example as plain values by column: `{ text, label }`, `{ text, pair, label }`, `{ question, context, answers }`. */
export type ExampleRow = Readonly<Record<string, unknown>>;

/** What is not to be as {@link taskFromExamples} finds it. */
export interface TaskFromExamplesOptions extends Partial<Omit<TaskTerms, 'kind'>> {
  /** What is learned, where the rows alone do not tell. */
  readonly kind?: KindName | undefined;
  /** Scored while training and at its end; left out, a tenth of the training examples is held out. */
  readonly dev?: readonly ExampleRow[] | undefined;
  /** For `evaluate(task, { split: 'test' })`. */
  readonly test?: readonly ExampleRow[] | undefined;
  /** Chooses what is held out. Default 0. */
  readonly seed?: number | undefined;
  /** Is told of empty texts. */
  readonly warn?: ((message: string) => void) | undefined;
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
  const { dev, test, seed, warn = () => {}, name = 'examples', kind, ...terms } = options;
  const tables = {
    train: tableOf(train, name),
    dev: dev && tableOf(dev, `${name} (dev)`),
    test: test && tableOf(test, `${name} (test)`),
  };
  if (train.length === 0) throw usageError('taskFromExamples needs examples, and there are none.');
  return taskOfTables({ ...terms, name, kind: kind && kinds[kind] }, tables, { seed, warn });
}

function tableOf(rows: readonly ExampleRow[], path: string): Table {
  return {
    path,
    columns: [...new Set(rows.flatMap((row) => Object.keys(row)))],
    rows: rows.map((values, i) => ({ line: i + 1, place: `example ${i + 1}`, values })),
  };
}
