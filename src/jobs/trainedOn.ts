import type { KnownRows } from '../data/knownRows.js';
import type { Reporter } from '../reporter.js';
import type { UsedSplit } from '../tasks/splits.js';

/**
 * Says how many of the examples to be scored an adapter is trained on: what it remembers is no measure of what it has learned.
 * @returns how many
 */
export function warnOfTrained(
  rows: KnownRows,
  task: string,
  { split, examples }: UsedSplit,
  { warn }: Pick<Reporter, 'warn'>,
): number {
  const count = rows.count(examples);
  if (count > 0) {
    const [known, all] = [count, examples.length].map((one) => one.toLocaleString('en-US'));
    const of = count === examples.length ? (count === 1 ? 'the row' : `all ${all} rows`) : `${known} of ${all} rows`;
    warn(`${task} ${split.name}: ${of} to be scored have been trained on, which flatters the scores.`);
  }
  return count;
}
