import { DiffoError } from '../../errors.js';
import { isJsonObject, parseJson } from '../../files/jsonText.js';
import { cureOf } from './json.js';
import type { Row, Table } from './table.js';
import { readText } from './text.js';

/**
 * Reads a JSON Lines file (`.gz` too): a JSON object a line; empty lines are no rows. Rows need not have the same keys;
 * the table's columns are all that occur, in order of appearance.
 *
 * @throws DiffoError that names file and line where a line is not a JSON object
 */
export async function readJsonLines(path: string): Promise<Table> {
  const text = await readText(path);
  const rows = text.split('\n').flatMap((content, index): Row[] => {
    return content.trim() === '' ? [] : [{ line: index + 1, values: parseLine(path, index + 1, content) }];
  });
  return { path, columns: [...new Set(rows.flatMap(({ values }) => Object.keys(values)))], rows };
}

function parseLine(path: string, line: number, content: string): Record<string, unknown> {
  const value = parseJson(
    content,
    (reason) => `${path}, line ${line}: not valid JSON (${reason}). ${cureOf(content, 'Mend or remove that line.')}`,
  );
  if (!isJsonObject(value))
    throw new DiffoError(`${path}, line ${line}: not a JSON object ({…}), which a row must be.`);
  return value;
}
