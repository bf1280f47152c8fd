import { DiffoError } from '../../errors.js';
import { isJsonObject, parseJson } from '../../files/jsonText.js';
import type { Row, Table } from './table.js';
import { readText } from './text.js';

/**
 * Reads a JSON file (`.gz` too).
 *
 * @throws DiffoError that names the file where it cannot be read or is not JSON
 */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  return parseJson(
    text,
    (reason) => `${path} is not valid JSON (${reason}). ${cureOf(text, 'Mend it or fetch it again.')}`,
  );
}

/** What helps where a text is no JSON: Python's json writes NaN and Infinity, which JSON does not have. */
export function cureOf(text: string, usual: string): string {
  const isPythons = /(?<=[:,[]\s*)-?(NaN|Infinity)(?=\s*[,}\]])/.test(text);
  return isPythons ? 'Write null in the place of NaN and Infinity.' : usual;
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
