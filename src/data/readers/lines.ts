import type { Row, Table } from './table.js';
import { readText } from './text.js';

/** Endings of plain text, without the dot. */
export const plainEndings = ['txt'] as const;

/** The column of a file of plain text. */
export const lineColumn = 'text';

/**
 * Reads plain text (`.gz` too): a row a line, with the cell `text`; lines of white space alone are no rows. Takes CRLF and a
 * byte order mark.
 */
export async function readLines(path: string): Promise<Table> {
  const rows = (await readText(path)).split('\n').flatMap((line, index): Row[] => {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    return text.trim() === '' ? [] : [{ line: index + 1, values: { [lineColumn]: text } }];
  });
  return { path, columns: rows.length === 0 ? [] : [lineColumn], rows };
}

/** True for a table that {@link readLines} read. */
export function isPlainText({ path }: Pick<Table, 'path'>): boolean {
  const name = path.toLowerCase().replace(/\.gz$/, '');
  return plainEndings.some((ending) => name.endsWith(`.${ending}`));
}
