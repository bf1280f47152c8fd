import * as z from 'zod';
import type { Table } from '../data/readers/table.js';
import type { Kind, UsualColumns } from './kinds/kind.js';
import type { Columns } from './task.js';
import type { ColumnOptions } from './taskOptions.js';

/** Names of the columns of a task, in a task file and in task.json. */
export const columnsSchema = z.strictObject({
  text: z.string(),
  pair: z.string().optional(),
  label: z.string(),
  choices: z.string().optional(),
});

/** Columns as they are written down, `undefined` among them. */
export type NamedColumns = z.infer<typeof columnsSchema>;

/** Columns without those that are undefined. */
export function taskColumns({ text, pair, label, choices }: NamedColumns): Columns {
  return { text, ...(pair === undefined ? {} : { pair }), label, ...(choices === undefined ? {} : { choices }) };
}

/** Names of columns where a kind has none of its own. */
const plainColumns: UsualColumns = {
  text: ['text', 'sentence', 'sentence1'],
  pair: ['pair', 'sentence2'],
  label: ['label'],
};

/** The columns that are named, else those usual for the kind: for a text, its pair where there is one, and the label. */
export function usualColumns(table: Table, options: ColumnOptions, { columns: usual = plainColumns }: Kind): Columns {
  const find = (names: readonly string[]) => names.find((name) => table.columns.includes(name));
  const [ofPair, itsLabel] = usual.together?.find((pair) => pair.every((name) => table.columns.includes(name))) ?? [];
  const text = options.textColumn ?? ofPair ?? find(usual.text) ?? usual.text[0]!;
  const needed = usual.pairIs === undefined ? undefined : usual.pair[0];
  const pair = options.pairColumn ?? find(usual.pair) ?? needed;
  const label = options.labelColumn ?? itsLabel ?? find(usual.label) ?? usual.label[0]!;
  return taskColumns({ text, pair, label });
}

/** Kinds that rows may be of. */
export interface KnownKinds {
  readonly all: readonly Kind[];
  /** Where no other recognises them. */
  readonly usual: Kind;
}

/** The kind of a table that nobody describes: the first that recognises it, else the usual one. */
export function kindOfTable(table: Table, options: ColumnOptions, { all, usual }: KnownKinds): Kind {
  const found = all.find((kind) => recognises(kind, table, usualColumns(table, options, kind)));
  return found ?? usual;
}

/** The kind of a table whose columns are named. */
export function kindOfColumns(table: Table, columns: Columns, { all, usual }: KnownKinds): Kind {
  return all.find((kind) => recognises(kind, table, columns)) ?? usual;
}

function recognises(kind: Kind, table: Table, columns: Columns): boolean {
  const isThere = kind.columns?.inOtherForms === true || hasBoth(table, columns);
  return isThere && kind.recognises?.(table, columns) === true;
}

function hasBoth(table: Table, columns: Columns): boolean {
  return table.columns.includes(columns.text) && table.columns.includes(columns.label);
}
