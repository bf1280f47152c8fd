import { cellOf, placeOf, type Row, shownCell, type Table } from '../data/readers/index.js';
import type { Example } from '../data/types.js';
import { DiffoError, nearestNames, quoted } from '../errors.js';
import { answersOf } from './answers.js';
import { withChoices } from './choices.js';
import type { Task } from './task.js';

/** What of a task is needed to read a row: enough to predict where no data is at hand. */
export type TaskShape = Pick<Task, 'name' | 'kind' | 'labels' | 'columns'>;

/**
 * A row of a user's file as an example of the task, for `predict --input`. A row without a label (no such column, an
 * empty cell, null) is fine, but that an empty cell of a span task says: no answer. Other columns are ignored.
 *
 * @param path file the row came from, for messages
 * @throws DiffoError that names file and line when the text or the pair is missing, or the label is not of the task
 */
export function rowToExample(task: TaskShape, row: Row, path: string): Example {
  const { text, pair, label } = task.columns;
  const where = placeOf(path, row);
  const example = {
    id: String(row.line),
    text: textOf(row, text, where),
    ...(pair === undefined ? {} : { pair: textOf(row, pair, where) }),
  };
  return { ...example, ...learnedOf(task, cellOf(row, label), example, where) };
}

/** What is to be learned, as a cell tells it. */
function learnedOf(task: TaskShape, cell: unknown, { pair = '' }: Example, where: string): Partial<Example> {
  if (task.kind === 'span' && cell !== undefined) return { answers: isEmpty(cell) ? [] : answersOf(cell, pair, where) };
  if (isEmpty(cell)) return {};
  return task.kind === 'language' ? { references: textsOf(cell, where) } : { label: parseLabel(task, cell, where) };
}

/**
 * All rows of a table as examples, each with a label, and with its choices where the columns name them.
 *
 * @param columns names of the columns in this file, where they are not the task's
 * @throws DiffoError that names the file, and the line where there is one
 */
export function tableToExamples(table: Table, task: TaskShape, columns: Task['columns'] = task.columns): Example[] {
  for (const name of Object.values(columns)) requireColumn(table, name);
  if (table.rows.length === 0) throw new DiffoError(`${table.path} has no rows. Give a file with examples.`);
  const { choices } = columns;
  return table.rows.map((row) => {
    const example = rowToExample({ ...task, columns }, row, table.path);
    if ((example.label ?? example.answers ?? example.references) === undefined) {
      throw new DiffoError(`${placeOf(table.path, row)}: column "${columns.label}" is empty. Label or remove the row.`);
    }
    return choices === undefined ? example : withChoices(example, cellOf(row, choices), placeOf(table.path, row));
  });
}

/** @throws DiffoError naming the columns there are, the nearest first, when `name` is not among them */
export function requireColumn(table: Table, name: string): void {
  if (table.columns.includes(name)) return;
  if (table.columns.length === 0) throw new DiffoError(`${table.path} has no rows. Give a file with examples.`);
  const [nearest] = nearestNames(name, table.columns, 1);
  throw new DiffoError(
    `${table.path} has no column "${name}"; it has ${quoted(table.columns)}. Did you mean "${nearest}"? ` +
      'Name the columns with --text-column, --pair-column and --label-column, or in a task file.',
  );
}

/** A label cell as a name: `1.0` and `1` are the same. */
export function labelName(cell: unknown): string {
  return String(cell)
    .trim()
    .replace(/^(-?\d+)\.0+$/, '$1');
}

/** True for a cell that holds nothing. */
export function isEmpty(cell: unknown): boolean {
  return cell === undefined || cell === null || (typeof cell === 'string' && cell.trim() === '');
}

function textOf(row: Row, column: string, where: string): string {
  const value = cellOf(row, column);
  if (typeof value === 'string') return value;
  if (['number', 'bigint', 'boolean'].includes(typeof value)) return String(value);
  const columns = Object.keys(row.values);
  if (value === undefined) {
    throw new DiffoError(
      `${where}: no column "${column}"; the row has ${quoted(columns)}. Rename the column of the text.`,
    );
  }
  throw new DiffoError(`${where}: column "${column}" holds no text but ${shownCell(value, 40)}.`);
}

/** The text that is to be written, or a list of those that count as right. */
function textsOf(cell: unknown, where: string): string[] {
  const texts = Array.isArray(cell) ? cell : [cell];
  if (texts.length > 0 && !texts.some((text) => typeof text === 'object' || isEmpty(text))) return texts.map(String);
  throw new DiffoError(`${where}: ${shownCell(cell, 40)} is no text to be written. Write one, or a list of texts.`);
}

/** Class index by name, or by number where names are not numbers; a score for regression. */
function parseLabel(task: TaskShape, cell: unknown, where: string): number {
  const name = labelName(cell);
  if (task.kind === 'regression') {
    const score = typeof cell === 'number' || typeof cell === 'string' ? Number(cell) : Number.NaN;
    if (!Number.isFinite(score)) throw new DiffoError(`${where}: the score "${name}" is not a number. Mend it.`);
    return score;
  }
  const index = task.labels.indexOf(name);
  if (index >= 0) return index;
  const numbered = /^\d+$/.test(name) && !task.labels.some((label) => /^-?\d+$/.test(label));
  if (numbered && Number(name) < task.labels.length) return Number(name);
  throw new DiffoError(
    `${where}: the label "${name}" is not one of ${task.name}'s: ${quoted(task.labels)}. Mend it or remove the row.`,
  );
}
