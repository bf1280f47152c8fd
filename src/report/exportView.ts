import type { Exported } from '../jobs/export.js';
import { formatScores } from './scores.js';
import { formatFacts, formatTable } from './table.js';
import { formatBytes, formatCount } from './units.js';

/** What a finished `export` prints: each file with its size, and what its width costs on the task's dev rows. */
export function exportView({ output, files, scores, examples, notes }: Exported): string {
  const columns = [{ title: 'dtype' }, { title: 'file' }, { title: 'size', align: 'right' } as const];
  const isScored = scores !== undefined;
  const rows = files.map(({ dtype, file, bytes, scores: own }) => [
    dtype,
    file,
    formatBytes(bytes),
    ...(isScored ? [own === undefined ? '' : formatScores(own)] : []),
  ]);
  if (isScored) rows.unshift(['', 'the adapter itself', '', formatScores(scores)]);
  const title = isScored ? [{ title: `dev (${formatCount(examples ?? 0)} rows)` }] : [];
  const facts = [...notes.map((note) => ['note', note] as const), ['written to', output] as const];
  return `${formatTable([...columns, ...title], rows)}\n\n${formatFacts(facts)}`;
}
