import { createHash } from 'node:crypto';
import type { Example, Split } from './types.js';

const hashes = new WeakMap<readonly Example[], string>();

/** What tells the examples of a split from others: {@link hashExamples}, computed once. */
export function splitHash({ examples }: Split): string {
  const known = hashes.get(examples) ?? hashExamples(examples);
  hashes.set(examples, known);
  return known;
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
