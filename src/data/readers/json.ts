import { DiffoError } from '../../errors.js';
import { isJsonObject, parseJson } from '../../files/json.js';
import type { Row, Table } from './table.js';
import { readText } from './text.js';

/**
 * Reads a JSON file (`.gz` too).
 *
 * @throws DiffoError that names the file where it cannot be read or is not JSON
 */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  return parseJson(text, (reason) => `${path} is not valid JSON (${reason}). Mend it or fetch it again.`);
}

/**
 * Reads a JSON file (`.gz` too) that is a list of objects: a row each. Columns are as in {@link readJsonLines}; a row's
 * line is its number, from 1.
 *
 * @throws DiffoError that names the file, and the entry that is not an object
 */
export async function readJsonList(path: string): Promise<Table> {
  const entries = await readJson(path);
  if (!Array.isArray(entries)) throw new DiffoError(`${path} must hold a JSON list ([…]) at its top level.`);
  const rows = entries.map((values: unknown, i): Row => {
    const place = `entry ${i + 1}`;
    if (!isJsonObject(values)) throw new DiffoError(`${path}, ${place}: not a JSON object ({…}), which a row must be.`);
    return { line: i + 1, place, values };
  });
  return { path, columns: [...new Set(rows.flatMap(({ values }) => Object.keys(values)))], rows };
}
