import { cellOf, type Table } from '../data/readers/table.js';
import { editDistance } from '../errors.js';

/** Rows that are looked at. */
const looked = 200;

/**
 * The column of a table that someone who asks for `name` likely means: one that is spelt nearly so, or holds the name or is held by it; else, by what
 * stands in them, for a text the one with the longest cells, for a label the one with the fewest different ones.
 *
 * @param role what the column is of the task: `text`, `pair`, `label`, …
 * @returns undefined where nothing tells
 */
export function columnMeant(table: Table, name: string, role: string): string | undefined {
  const near = table.columns.filter(
    (column) => column.trim() !== '' && isNear(name.toLowerCase(), column.toLowerCase()),
  );
  const distance = (column: string) => editDistance(name.toLowerCase(), column.toLowerCase());
  if (near.length > 0) return near.sort((a, b) => distance(a) - distance(b))[0];
  const texts = table.columns.map((column) =>
    table.rows.slice(0, looked).map((row) => String(cellOf(row, column) ?? '')),
  );
  const lengths = texts.map((cells) => cells.reduce((sum, { length }) => sum + length, 0));
  const longest = lengths.indexOf(Math.max(...lengths));
  if (role === 'text') return table.columns[longest];
  if (role !== 'label') return undefined;
  const kinds = texts.map((cells, i) => (i === longest ? Number.POSITIVE_INFINITY : new Set(cells).size));
  const varied = kinds.map((count) => (count > 1 ? count : Number.POSITIVE_INFINITY));
  const fewest = Math.min(...varied);
  return Number.isFinite(fewest) ? table.columns[varied.indexOf(fewest)] : undefined;
}

function isNear(name: string, column: string): boolean {
  const shorter = Math.min(name.length, column.length);
  if (shorter >= 3 && (name.includes(column) || column.includes(name))) return true;
  return editDistance(name, column) <= Math.floor(Math.max(name.length, column.length) / 3);
}
