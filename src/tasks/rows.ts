import { cellOf, placeOf, type Row, shownCell, type Table } from '../data/readers/table.js';
import type { Example } from '../data/types.js';
import { DiffoError, quoted } from '../errors.js';
import { columnMeant } from './columnMeant.js';
import type { Columns, TaskShape } from './task.js';

/**
 * A row of a user's file as an example of the task, for `predict --input`. A row without a label (no such column, an
 * empty cell, null) is fine, but that an empty cell may say something, as that a passage has no answer. Other columns
 * are ignored.
 *
 * @param path file the row came from, for messages
 * @throws DiffoError that names file and line when the text or the pair is missing, or the label is not of the task
 */
export function rowToExample(task: TaskShape, row: Row, path: string): Example {
  return task.kind.example(task, row, placeOf(path, row), path);
}

/**
 * All rows of a table as examples, each with what is to be learned.
 *
 * @param columns names of the columns in this file, where they are not the task's
 * @throws DiffoError that names the file, and the line where there is one
 */
export function tableToExamples(table: Table, task: TaskShape, columns: Columns = task.columns): Example[] {
  for (const [role, name] of Object.entries(columns)) requireColumn(table, name, role);
  if (table.rows.length === 0) throw new DiffoError(`${table.path} has no rows. Give a file with examples.`);
  return table.rows.map((row) => {
    const example = rowToExample({ ...task, columns }, row, table.path);
    if (task.kind.isLabelled(example)) return example;
    const { unlabelled = `column "${columns.label}" is empty. Label or remove the row` } = task.kind;
    throw new DiffoError(`${placeOf(table.path, row)}: ${unlabelled}.`);
  });
}

/** The text of a row and its pair, with the row's number. */
export function textsOfRow({ text, pair }: Columns, row: Row, where: string): Example {
  return {
    id: String(row.line),
    text: requireText(row, text, where),
    ...(pair === undefined ? {} : { pair: requireText(row, pair, where) }),
  };
}

/**
 * @param role what the column is of the task: `text`, `pair`, `label`, …
 * @throws DiffoError naming the columns there are, and the one that is likely meant, when `name` is not among them
 */
export function requireColumn(table: Table, name: string, role: string): void {
  if (table.columns.includes(name)) return;
  if (table.columns.length === 0) throw new DiffoError(`${table.path} has no rows. Give a file with examples.`);
  const meant = columnMeant(table, name, role);
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`;
  throw new DiffoError(
    `${table.path} has no column "${name}"; it has ${quoted(table.columns)}.${hint} ` +
      'Name the columns with --text-column, --pair-column and --label-column, or in a task file.',
  );
}

/** A label cell as a name: `1.0` and `1` are the same; a `Date`, which only programs have, is told in ISO 8601. */
export function labelName(cell: unknown): string {
  return (cell instanceof Date ? cell.toISOString() : String(cell)).trim().replace(/^(-?\d+)\.0+$/, '$1');
}

/** @throws DiffoError for a cell that names no label: a list or an object */
export function refuseNameless(cell: unknown, where: string): void {
  if (typeof cell !== 'object' || cell === null || cell instanceof Date) return;
  throw new DiffoError(`${where}: the label is ${shownCell(cell, 40)}. Write a text or a number.`);
}

/** What a value of JSON is called. */
const typeTitles: Readonly<Record<string, string>> = { number: 'a number', string: 'a text', boolean: 'true or false' };

/**
 * A label that is a text beside others that are numbers is a mistake of the file, even where both read alike.
 * @throws DiffoError that names both rows, where cells of a column, or the entries of their lists, are of two types
 */
export function refuseMixedTypes({ path, rows }: Table, column: string): void {
  let first: { readonly row: Row; readonly title: string } | undefined;
  for (const row of rows) {
    const cell = cellOf(row, column);
    for (const one of Array.isArray(cell) ? cell : [cell]) {
      const title = typeTitles[typeof one === 'bigint' ? 'number' : typeof one];
      if (isEmpty(one) || title === undefined) continue;
      first ??= { row, title };
      if (first.title === title) continue;
      throw new DiffoError(
        `${placeOf(path, row)}: column "${column}" holds ${title}, ${shownCell(one, 40)}, and in ${placeOf(path, first.row)} ${first.title}. Write one type in all rows.`,
      );
    }
  }
}

/** True for a cell that holds nothing. */
export function isEmpty(cell: unknown): boolean {
  return cell === undefined || cell === null || (typeof cell === 'string' && cell.trim() === '');
}

/** True for what programs write in the place of a number that they have not: `nan`, `inf`, `-Infinity`. */
export function isNoNumber(cell: unknown): boolean {
  if (typeof cell === 'number') return !Number.isFinite(cell);
  return typeof cell === 'string' && /^[+-]?(nan|inf(inity)?)$/i.test(cell.trim());
}

/** Cells of a column that hold something. */
export function filledCells({ rows }: Table, column: string): unknown[] {
  return rows.map((row) => cellOf(row, column)).filter((cell) => !isEmpty(cell));
}

/** Names of labels, sorted: as numbers where all of them are numbers. */
export function sortedLabels(names: Iterable<string>): string[] {
  const labels = [...new Set(names)];
  const numeric = labels.every((name) => Number.isFinite(Number(name)));
  return labels.sort((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1));
}

/**
 * The index of a label by its name, or by number where names are not numbers.
 * @throws DiffoError where the task has no such label
 */
export function labelIndex(cell: unknown, { name: task, labels }: Pick<TaskShape, 'name' | 'labels'>, where: string) {
  refuseNameless(cell, where);
  const name = labelName(cell);
  const index = labels.indexOf(name);
  if (index >= 0) return index;
  const numbered = /^\d+$/.test(name) && !labels.some((label) => /^-?\d+$/.test(label));
  if (numbered && Number(name) < labels.length) return Number(name);
  throw new DiffoError(
    `${where}: the label "${name}" is not one of ${task}'s: ${quoted(labels)}. Mend it or remove the row.`,
  );
}

/** The text of a cell. @throws DiffoError that names the row where it holds none */
export function requireText(row: Row, column: string, where: string): string {
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
