import type { Pushed } from '../jobs/push/push.js';
import { formatFacts, formatTable } from './table.js';
import { formatBytes } from './units.js';

/** What a finished `push` prints: each file with its size, what stayed here, and where the files are now. */
export function pushView({ repo, files, bytes, leftOut, sent, commit, url }: Pushed): string {
  const rows = files.map(({ path, bytes }) => [path, formatBytes(bytes)]);
  const table = formatTable(
    [{ title: 'file' }, { title: 'size', align: 'right' }],
    [...rows, ['', formatBytes(bytes)]],
  );
  const outcome: [string, string] =
    url === undefined
      ? ['dry run', `nothing was sent to ${repo}`]
      : commit === undefined
        ? ['nothing changed', 'the branch has all of these files already; no commit was made']
        : ['commit', `${commit} (${sent.length} of ${files.length} files; the branch had the others)`];
  const facts: [string, string][] = [
    ...(leftOut.length > 0 ? [['left out', leftOut.join(', ')] as [string, string]] : []),
    ...(url === undefined ? [] : [[commit === undefined ? 'is on' : 'pushed to', url] as [string, string]]),
    outcome,
  ];
  return `${table}\n\n${formatFacts(facts)}`;
}
