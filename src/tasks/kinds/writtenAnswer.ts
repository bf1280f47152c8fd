import { trim } from '../../metrics/text/whiteSpace.js';

/** A written text. */
export interface WrittenPrediction {
  readonly text: string;
  /** What of it counts as the answer, where the task says how to find that. */
  readonly answer?: string | undefined;
}

/**
 * What of a written text is the answer: the first match of `pattern` (see Generation.answer), its group 1 where it has
 * one, without commas within numbers and a full stop at the end; the whole text, trimmed, without a pattern; undefined
 * without a match.
 */
export function writtenAnswer(text: string, pattern: string | undefined): string | undefined {
  if (pattern === undefined) return trim(text);
  const match = new RegExp(pattern).exec(text);
  if (match === null) return undefined;
  return trim((match[1] ?? match[0]).replace(/(?<=\d),(?=\d)/g, '').replace(/\.$/, ''));
}
