import { createHash } from 'node:crypto';
import type { Example, Split, SplitName } from './types.js';

/**
 * A split with its hash and label counts; every label of the task is counted, be it 0.
 * @param labels names of the classes, by index; none where labels are no classes
 */
export function makeSplit(
  name: SplitName,
  examples: readonly Example[],
  source: string,
  labels: readonly string[],
): Split {
  const counts = labels.map(() => 0);
  for (const { label } of examples) if (label !== undefined && label < counts.length) counts[label]!++;
  const labelCounts = Object.fromEntries(labels.map((label, i) => [label, counts[i]!]));
  return { name, examples, source, hash: hashExamples(examples), labelCounts };
}

/**
 * sha256 (hex) over a JSON line for each example: [id, text, pair or null, label or null], and with what else it has:
 * an object of `answers`, `references` and `choices`.
 */
export function hashExamples(examples: readonly Example[]): string {
  const hash = createHash('sha256');
  for (const { id, text, pair, label, answers, references, choices } of examples) {
    const plain = [id, text, pair ?? null, label ?? null];
    const more = (answers ?? references ?? choices) === undefined ? [] : [{ answers, references, choices }];
    hash.update(`${JSON.stringify([...plain, ...more])}\n`);
  }
  return hash.digest('hex');
}
