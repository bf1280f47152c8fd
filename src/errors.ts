import { printable } from './printable.js';
import { withoutSecrets } from './secrets.js';

/** Exit code of the command line: 2 for wrong usage, 1 for failure, 128 and the signal's number for SIGINT and SIGTERM. */
export type ExitCode = 1 | 2 | 130 | 143;

/**
 * An error that a user can act on. Its message is one or two sentences: where (file, key, line), what is wrong,
 * what to do; secrets that a server or library may have put there are taken out. The command line prints the message
 * alone; anything else that is thrown is a defect of diffora.
 */
export class DiffoError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, options: { exitCode?: ExitCode; cause?: unknown } = {}) {
    super(printable(withoutSecrets(message)), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DiffoError';
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Wrong usage: a flag, a name or a value that cannot be meant. Exit code 2. */
export function usageError(message: string): DiffoError {
  return new DiffoError(message, { exitCode: 2 });
}

/** Up to `count` candidates nearest to `wanted` by edit distance, for "did you mean" hints. */
export function nearestNames(wanted: string, candidates: readonly string[], count = 3): string[] {
  return candidates
    .map((name) => ({ name, distance: editDistance(wanted.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map((entry) => entry.name);
}

/** `"a", "b"`: the first twenty of a list, for messages. */
export function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name}"`);
  return names.length > shown.length ? `${shown.join(', ')} and ${names.length - shown.length} more` : shown.join(', ');
}

/** Levenshtein distance, two rows at a time. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
