import { CsvError, type Info, parse } from 'csv-parse/sync';
import { DiffoError } from '../../errors.js';
import { type Delimiter, delimiterNames, delimiterOf } from './delimiter.js';
import { brokenQuote } from './quotes.js';
import type { Row, Table } from './table.js';
import { readText } from './text.js';

export interface DelimitedOptions {
  /**
   * `csv`: commas, with quotes as RFC 4180 has them, or what else parts the cells of its first lines ({@link delimiterOf}). `tsv`: tabs,
   * and quotes are letters like any other, as GLUE's files want.
   */
  readonly format: 'csv' | 'tsv';
  /** Names of the columns where the file has no header line. */
  readonly columns?: readonly string[] | undefined;
  /** How many of the last `columns` a row may lack. */
  readonly optionalColumns?: number | undefined;
}

interface Line {
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Reads a CSV or TSV file (`.gz` too) with a header line, or with given column names. Takes CRLF (inside
 * quotes it becomes LF), a byte order mark and a missing last newline; empty lines are no rows. A column without a name is called
 * `Unnamed: 0`, by its number from 0, as pandas calls it.
 *
 * @throws DiffoError that names file and line: an empty file, a broken quote, a row with too many or too few cells, a
 *   header that names a column twice
 */
export async function readDelimited(path: string, options: DelimitedOptions): Promise<Table> {
  const text = await readText(path);
  const delimiter = options.format === 'tsv' ? '\t' : delimiterOf(withLineFeeds(text));
  const lines = options.format === 'tsv' ? splitTabs(text) : parseCsv(path, withLineFeeds(text), delimiter);
  let columns = options.columns;
  let body = lines;
  if (columns === undefined) {
    const header = lines[0];
    if (header === undefined) throw new DiffoError(`${path} is empty. It needs a header line and rows.`);
    columns = header.cells.map((name, i) => name.trim() || `Unnamed: ${i}`);
    refuseTwice(path, header.line, columns);
    body = lines.slice(1);
  }
  const least = columns.length - (options.optionalColumns ?? 0);
  const rows = body.map((line) => toRow(path, line, columns, least));
  const isUsual = options.format === 'tsv' || delimiter === ',';
  return {
    path,
    columns,
    rows,
    ...(isUsual ? {} : { notes: [`${path}: cells are parted by ${delimiterNames[delimiter]}`] }),
  };
}

function splitTabs(text: string): Line[] {
  return text.split('\n').flatMap((raw, index) => {
    const content = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    return content === '' ? [] : [{ line: index + 1, cells: content.split('\t') }];
  });
}

/** One kind of line end, because the CSV library takes the first that it meets for all, and counts CRLF in quotes twice. */
function withLineFeeds(text: string): string {
  return text.replaceAll('\r\n', '\n');
}

function parseCsv(path: string, text: string, delimiter: Delimiter): Line[] {
  try {
    // With `info` and `raw` each record is an object of these; the library's types know only the plain shape.
    const records = parse(text, {
      delimiter,
      record_delimiter: '\n',
      info: true,
      raw: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as unknown as { info: Info; raw: string; record: string[] }[];
    return records.map(({ info, raw, record }) => {
      const inside = raw.trim().split('\n').length - 1;
      return { line: info.lines - inside, cells: record };
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new DiffoError(faultOf(path, text, delimiter, error.message), { cause: error });
  }
}

function faultOf(path: string, text: string, delimiter: Delimiter, reason: string): string {
  const broken = brokenQuote(text, delimiter);
  if (broken === undefined) return `${path} is not valid CSV: ${reason}. Mend the quotes of that row.`;
  const { line, closed } = broken;
  const end =
    closed === undefined ? 'does not close' : `closes on line ${closed.line}, before ${JSON.stringify(closed.before)}`;
  return `${path}, line ${line}: the quote that opens here ${end}. Close it before the end of its cell, double it (""), or remove it.`;
}

function toRow(path: string, { line, cells }: Line, columns: readonly string[], least: number): Row {
  if (cells.length < least || cells.length > columns.length) {
    const wanted = least === columns.length ? `${least}` : `${least} to ${columns.length}`;
    throw new DiffoError(
      `${path}, line ${line}: the row has ${cells.length} columns where ${wanted} are expected. Mend or remove it.`,
    );
  }
  return { line, values: Object.fromEntries(cells.map((cell, i) => [columns[i]!, cell])) };
}

function refuseTwice(path: string, line: number, columns: readonly string[]): void {
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new DiffoError(`${path}, line ${line}: the header names the column "${twice}" twice. Rename one of them.`);
  }
}
