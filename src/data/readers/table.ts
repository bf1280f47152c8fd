/** One row of a data file; values are text in CSV and TSV, any JSON value in JSONL. */
export interface Row {
  /** Line of the file the row starts on, from 1; its number where a file has no lines. */
  readonly line: number;
  /** Where the row is, for messages, where that is not a line: `entry 3`. */
  readonly place?: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A data file as read. */
export interface Table {
  readonly path: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** How the file was read where it could be read in several ways, a line each. */
  readonly notes?: readonly string[];
}

/** `data.csv, line 3`: where a row is, for messages. */
export function placeOf(path: string, { line, place }: Row): string {
  return `${path}, ${place ?? `line ${line}`}`;
}

/** The cell of a column; undefined where the row has none, also for a column called `constructor`, which every object has. */
export function cellOf({ values }: Row, column: string): unknown {
  return Object.hasOwn(values, column) ? values[column] : undefined;
}

/** A cell as messages show it: its JSON, cut to a length. */
export function shownCell(cell: unknown, length: number): string {
  // Parquet's 64-bit numbers come as bigint, which JSON has not.
  const text = JSON.stringify(cell, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
  return (text ?? 'nothing').slice(0, length);
}
