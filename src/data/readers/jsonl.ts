import { DiffoError } from '../../errors.js';
import { isJsonObject } from '../../files/json.js';
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
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DiffoError(`${path}, line ${line}: not valid JSON (${reason}). Mend or remove that line.`, {
      cause: error,
    });
  }
  if (!isJsonObject(value))
    throw new DiffoError(`${path}, line ${line}: not a JSON object ({…}), which a row must be.`);
  return value;
}
