import { closeSync, openSync, readSync } from 'node:fs';
import { usageError } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';
import { conllEndings, readConll } from './conll.js';
import { readDelimited } from './delimited.js';
import { readJson, readJsonList } from './json.js';
import { readJsonLines } from './jsonl.js';
import { plainEndings, readLines } from './lines.js';
import { readParquet } from './parquet.js';
import { readSquad } from './squad.js';
import type { Table } from './table.js';

export { type ConllOptions, placeOfToken, readConll } from './conll.js';
export { type DelimitedOptions, readDelimited } from './delimited.js';
export { readJson, readJsonList } from './json.js';
export { readJsonLines } from './jsonl.js';
export { isPlainText, lineColumn, readLines } from './lines.js';
export { readSquad } from './squad.js';
export { cellOf, placeOf, type Row, shownCell, type Table } from './table.js';

const READERS: Readonly<Record<string, (path: string) => Promise<Table>>> = {
  csv: (path) => readDelimited(path, { format: 'csv' }),
  tsv: (path) => readDelimited(path, { format: 'tsv' }),
  jsonl: readJsonLines,
  parquet: readParquet,
  ...Object.fromEntries(plainEndings.map((ending) => [ending, readLines])),
  ...Object.fromEntries(conllEndings.map((ending) => [ending, (path: string) => readConll(path)])),
};

/** Endings that {@link readTable} takes; those of text also with `.gz`. */
export const TABLE_ENDINGS: readonly string[] = Object.keys(READERS).map((ending) => `.${ending}`);

/** True when the path ends as a data file does. */
export function isTablePath(path: string): boolean {
  return Object.hasOwn(READERS, endingOf(path));
}

/**
 * Reads a data file by its ending: `.csv`, `.tsv`, `.jsonl`, `.txt`, `.conll` (`.bio`, `.iob`, `.iob2`), each also with `.gz`, or
 * `.parquet`.
 *
 * @throws DiffoError for another ending, or what the reader of that format throws
 */
export function readTable(path: string): Promise<Table> {
  const reader = isTablePath(path) ? READERS[endingOf(path)] : undefined;
  if (!reader)
    throw usageError(`${path} is no data file known here: name it ${TABLE_ENDINGS.join(', ')}, or those with .gz.`);
  return reader(path);
}

/**
 * Reads a file of rows: as {@link readTable}, or a `.json` (`.json.gz`) that is a list of objects or has SQuAD's form.
 *
 * @throws DiffoError as the reader of that form
 */
export async function readRows(path: string): Promise<Table> {
  if (endingOf(path) !== 'json') return readTable(path);
  return Array.isArray(await readJson(path)) ? readJsonList(path) : readSquad(path);
}

/** True for a file that {@link readRows} takes; JSON may also describe a task. */
export async function holdsRows(path: string): Promise<boolean> {
  if (endingOf(path) !== 'json') return isTablePath(path);
  const content = await readJson(path).catch(() => undefined);
  return Array.isArray(content) || (isJsonObject(content) && 'data' in content);
}

/** True for a `.json` whose top level is a list, as its first letter tells, and for a `.json.gz`, which no task file is. */
export function startsAsList(path: string): boolean {
  if (endingOf(path) !== 'json') return false;
  if (path.toLowerCase().endsWith('.gz')) return true;
  const start = Buffer.alloc(64);
  try {
    const file = openSync(path, 'r');
    try {
      return start.toString('utf8', 0, readSync(file, start)).trimStart().startsWith('[');
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}

function endingOf(path: string): string {
  return path.toLowerCase().replace(/\.gz$/, '').replace(/^.*\./s, '');
}
