import { wrapped } from '../wrapped.js';

/** A column of a table: its title and on which side its cells stand. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const gap = '  ';

/**
 * A text table: titles, a rule, aligned cells. Where it is wider than `width`, each row becomes a paragraph of
 * `title  cell` lines, so that nothing is cut or broken by the terminal.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width = Number.POSITIVE_INFINITY }: { readonly width?: number } = {},
): string {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const total = widths.reduce((sum, one) => sum + one, 0) + gap.length * (columns.length - 1);
  if (total > width) return rows.map((row) => paragraph(columns, row)).join('\n\n');
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (columns[i]!.align === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join(gap)
      .trimEnd();
  return [line(columns.map(({ title }) => title)), '─'.repeat(total), ...rows.map(line)].join('\n');
}

/** `name  value` lines, values one below the other; a value that is too long for `width` goes on in the next line. */
export function formatFacts(
  facts: readonly (readonly [name: string, value: string])[],
  { width = Number.POSITIVE_INFINITY }: { readonly width?: number } = {},
): string {
  const indent = Math.max(0, ...facts.map(([name]) => name.length)) + gap.length;
  return facts
    .map(([name, value]) => `${name.padEnd(indent)}${wrapped(value, width - indent).join(`\n${' '.repeat(indent)}`)}`)
    .join('\n');
}

function paragraph(columns: readonly Column[], [first, ...rest]: readonly string[]): string {
  const others = rest.map((cell, i) => [columns[i + 1]!.title, cell] as const).filter(([, cell]) => cell !== '');
  return `${first}\n${formatFacts(others).replace(/^/gm, '  ')}`;
}
