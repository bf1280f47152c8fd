/** One row of a data file; values are text in CSV and TSV, any JSON value in JSONL. */
export interface Row {
  /** Line of the file the row starts on, from 1. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A data file as read. */
export interface Table {
  readonly path: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}
