import * as z from 'zod';
import { shownCell } from '../data/readers/table.js';
import type { Answer } from '../data/types.js';
import { DiffoError } from '../errors.js';

const lists = z.object({
  text: z.array(z.string()),
  // Parquet's 64-bit numbers come as bigint.
  answer_start: z.array(z.union([z.int().nonnegative(), z.bigint().nonnegative().transform(Number)])),
});

/**
 * The answers of a cell: SQuAD's form on the hub, `{ text: […], answer_start: […] }` with starts in code points; or a
 * plain text, which is the answer where it first occurs in the passage.
 *
 * @param where file and row, for messages
 * @throws DiffoError where an answer does not stand in the passage, or the cell is neither
 */
export function answersOf(cell: unknown, passage: string, where: string): Answer[] {
  if (typeof cell === 'string' || typeof cell === 'number') return [firstOccurrence(String(cell), passage, where)];
  const parsed = lists.safeParse(cell);
  if (!parsed.success || parsed.data.text.length !== parsed.data.answer_start.length) {
    throw new DiffoError(
      `${where}: the answers are ${shownCell(cell, 60)}, which is neither a text nor ` +
        '{"text": […], "answer_start": […]} with lists of one length. Write them in one of the two forms.',
    );
  }
  const { text, answer_start: starts } = parsed.data;
  return text.map((each, i) => placedAnswer(each, starts[i]!, passage, where));
}

function firstOccurrence(text: string, passage: string, where: string): Answer {
  const start = passage.indexOf(text);
  if (start >= 0) return { text, start };
  throw new DiffoError(
    `${where}: the answer "${text}" does not occur in the passage. Copy it from there, or leave it empty.`,
  );
}

function placedAnswer(text: string, codePoints: number, passage: string, where: string): Answer {
  const start = utf16Offset(passage, codePoints);
  if (text !== '' && passage.startsWith(text, start)) return { text, start };
  const found = passage.slice(start, start + Math.max(1, text.length));
  throw new DiffoError(
    `${where}: the answer "${text}" does not stand at character ${codePoints} of its passage, where "${found}" is. ` +
      'Correct answer_start (Unicode characters, from 0) or the text.',
  );
}

/** Where the code point of that number begins, in UTF-16 units: one more for each character beyond U+FFFF before it. */
export function utf16Offset(text: string, codePoints: number): number {
  if (!/[\ud800-\udfff]/.test(text)) return codePoints;
  let offset = 0;
  for (let i = 0; i < codePoints && offset < text.length; i++) offset += text.codePointAt(offset)! > 0xffff ? 2 : 1;
  return offset;
}
