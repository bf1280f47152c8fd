import * as z from 'zod';
import { shownCell } from '../data/readers/table.js';
import type { Example } from '../data/types.js';
import { DiffoError, quoted } from '../errors.js';

const list = z.array(z.string().min(1)).min(2);

/**
 * A language example as one of multiple choice: with its choices, and as label the place of its first reference in them.
 *
 * @param cell the texts that may be written
 * @param where file and row, for messages
 * @throws DiffoError where they are no list of different texts, or the reference is not among them
 */
export function withChoices(example: Example, cell: unknown, where: string): Example {
  const { data: choices } = list.safeParse(cell);
  if (choices === undefined || new Set(choices).size < choices.length) {
    throw new DiffoError(
      `${where}: the choices are ${shownCell(cell, 60)}. Give a list of two or more different texts.`,
    );
  }
  const label = choices.indexOf(example.references![0]!);
  if (label < 0) {
    throw new DiffoError(
      `${where}: "${example.references![0]}" is not one of the choices, ${quoted(choices)}. Correct one of the two.`,
    );
  }
  return { ...example, choices, label };
}
