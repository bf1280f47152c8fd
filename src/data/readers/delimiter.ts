import { parse } from 'csv-parse/sync';

/** What cells of a CSV file may be parted by, the first that fits being meant. */
const candidates = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof candidates)[number];

/** How many lines are counted. */
const countedLines = 50;

/**
 * What parts the cells of a CSV file: the first under which the first lines have as many cells as the header, more than one; where there is
 * none, a comma.
 */
export function delimiterOf(text: string): Delimiter {
  return candidates.find((delimiter) => fits(text, delimiter)) ?? ',';
}

function fits(text: string, delimiter: Delimiter): boolean {
  try {
    const records: string[][] = parse(text, {
      delimiter,
      record_delimiter: '\n',
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      to: countedLines,
    });
    const columns = records[0]?.length ?? 0;
    return columns > 1 && records.every(({ length }) => length === columns);
  } catch {
    return false;
  }
}

/** For messages. */
export const delimiterNames: Readonly<Record<Delimiter, string>> = {
  ',': 'commas',
  ';': 'semicolons',
  '\t': 'tabs',
  '|': 'vertical bars',
};
