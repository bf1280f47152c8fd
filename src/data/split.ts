import { createHash } from 'node:crypto';
import type { Example, Split, SplitName } from './types.js';

/** A split with its hash. @param labelCounts examples of each label */
export function makeSplit(
  name: SplitName,
  examples: readonly Example[],
  source: string,
  labelCounts: Split['labelCounts'],
): Split {
  return { name, examples, source, hash: hashExamples(examples), labelCounts };
}

/**
 * sha256 (hex) over a JSON line for each example: [id, text, pair or null, label or null], and with what else it has:
 * an object of `answers`, `references`, `choices`, and what other kinds of tasks read.
 */
export function hashExamples(examples: readonly Example[]): string {
  const hash = createHash('sha256');
  for (const { id, text, pair, label, answers, references, choices, ...others } of examples) {
    const plain = [id, text, pair ?? null, label ?? null];
    const more = { answers, references, choices, ...others };
    const isMore = Object.values(more).some((value) => value !== undefined);
    hash.update(`${JSON.stringify([...plain, ...(isMore ? [more] : [])])}\n`);
  }
  return hash.digest('hex');
}
