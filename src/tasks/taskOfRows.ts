import type { Table } from '../data/readers/table.js';
import { usageError } from '../errors.js';
import type { KnownKinds } from './columns.js';
import type { Task } from './task.js';
import { type TaskTerms, taskOfTables } from './taskOfTables.js';

/** An example as plain values by column: `{ text, label }`, `{ text, pair, label }`, `{ question, context, answers }`. */
export type ExampleRow = Readonly<Record<string, unknown>>;

/** What is not to be as {@link taskFromExamples} finds it. */
export interface RowsOptions extends Partial<TaskTerms> {
  /** Scored while training and at its end; left out, a tenth of the training examples is held out. */
  readonly dev?: readonly ExampleRow[] | undefined;
  /** For `evaluate(task, { split: 'test' })`. */
  readonly test?: readonly ExampleRow[] | undefined;
  /** Chooses what is held out. Default 0. */
  readonly seed?: number | undefined;
  /** Is told of empty texts. */
  readonly warn?: ((message: string) => void) | undefined;
}

/** A task from examples in memory: see taskFromExamples. @param known kinds that they may be of */
export function taskOfRows(train: readonly ExampleRow[], options: RowsOptions, known: KnownKinds): Task {
  const { dev, test, seed, warn = () => {}, name = 'examples', ...terms } = options;
  const tables = {
    train: tableOf(train, name),
    dev: dev && tableOf(dev, `${name} (dev)`),
    test: test && tableOf(test, `${name} (test)`),
  };
  if (train.length === 0) throw usageError('taskFromExamples needs examples, and there are none.');
  return taskOfTables({ ...terms, name }, tables, { seed, warn }, known);
}

function tableOf(rows: readonly ExampleRow[], path: string): Table {
  return {
    path,
    columns: [...new Set(rows.flatMap((row) => Object.keys(row)))],
    rows: rows.map((values, i) => ({ line: i + 1, place: `example ${i + 1}`, values })),
  };
}
