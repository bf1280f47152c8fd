import { usageError } from '../errors.js';

/** Whether each row keeps its own K entries, or the matrix keeps the same total wherever they are largest. */
export const scopes = ['row', 'global'] as const;
export type Scope = (typeof scopes)[number];

/** Entries that a row of N keeps at ratio ρ: K = max(1, round(ρ·N)), halves rounded up. */
export function keptPerRow(ratio: number, columns: number): number {
  if (!(ratio > 0 && ratio <= 1)) throw usageError(`--keep ${ratio} is not a ratio in (0, 1].`);
  return Math.max(1, Math.round(ratio * columns));
}

/** Γ: 1 for the largest entries, 0 for the rest. Ties go to the lower column, then to the lower row. */
export function discretise(relaxed: readonly (readonly number[])[], ratio: number, scope: Scope): number[][] {
  const columns = relaxed[0]?.length ?? 0;
  const kept = keptPerRow(ratio, columns);
  if (scope === 'row') return relaxed.map((row) => markLargest(row, kept));
  // Column by column, so that of two equal entries the one in the lower column comes first.
  const byColumn = Array.from({ length: columns }, (_, column) => relaxed.map((row) => row[column]!)).flat();
  const marks = markLargest(byColumn, kept * relaxed.length);
  return relaxed.map((row, layer) => row.map((_, column) => marks[column * relaxed.length + layer]!));
}

/** 1 at the `count` largest values, 0 elsewhere; of equal values the earlier is kept. */
function markLargest(values: readonly number[], count: number): number[] {
  const order = values.map((_, index) => index).sort((a, b) => values[b]! - values[a]! || a - b);
  const kept = new Set(order.slice(0, count));
  return values.map((_, index) => (kept.has(index) ? 1 : 0));
}
