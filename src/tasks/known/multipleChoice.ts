import * as z from 'zod';
import { placeOf, type Row } from '../../data/readers/table.js';
import { DiffoError } from '../../errors.js';
import { firstFault } from '../../files/faults.js';

/** A question of multiple choice, in the words of those who made the set. */
export interface Question {
  readonly text: string;
  readonly choices: readonly string[];
  /** The right choice, from 0; undefined where the row does not tell. */
  readonly right: number | undefined;
}

/** The form that a set's authors gave its rows. */
export interface OriginalForm {
  /** Columns that tell one of its tables. */
  readonly columns: readonly string[];
  /** @throws DiffoError that names the row and the column that is wrong */
  readonly question: (row: Row, path: string) => Question;
}

/** A form from the schema of its rows; columns that may be missing, as the label's, do not tell a table. */
export function originalForm<Shape extends z.ZodRawShape>(
  shape: Shape,
  toQuestion: (row: z.infer<z.ZodObject<Shape>>) => Question,
): OriginalForm {
  const schema = z.object(shape);
  const needed = Object.keys(shape).filter((column) => !z.safeParse(shape[column]!, undefined).success);
  return {
    columns: needed,
    question: (row, path) => {
      const parsed = schema.safeParse(row.values);
      if (parsed.success) return toQuestion(parsed.data);
      const fault = firstFault(parsed.error, schema, row.values, 'the row');
      throw new DiffoError(`${placeOf(path, row)}: column ${fault}. Mend or remove the row.`);
    },
  };
}

/** A column that numbers the right choice from `first`; in sets whose labels are held back it is empty or -1. */
export function numberedFrom(first: 0 | 1) {
  return z
    .union([z.number(), z.string()])
    .nullish()
    .transform((cell) => {
      const text = String(cell ?? '').trim();
      return text === '' || text === '-1' ? undefined : Number(text) - first;
    });
}

/** Choices with letters or numbers, and the one that is right: the columns of ARC and OpenBookQA. */
export const lettered = {
  choices: z.object({ text: z.array(z.string()), label: z.array(z.string()) }),
  answerKey: z.string().nullish(),
};

/** What is asked in a row with {@link lettered} choices. */
export function letteredQuestion(
  text: string,
  { choices, answerKey }: { choices: { text: string[]; label: string[] }; answerKey?: string | null | undefined },
): Question {
  return { text, choices: choices.text, right: answerKey ? choices.label.indexOf(answerKey) : undefined };
}

/** How LLM-Adapters words the questions of a set. */
export interface Wording {
  readonly ask: string;
  /** What a choice is called. */
  readonly word: 'Answer' | 'Solution' | 'Option' | 'Ending';
  /** What stands between two choices. */
  readonly between?: string;
  /** What stands before the names that may be answered. */
  readonly end?: string;
}

/** The instruction of a question: what is asked, the choices by number, and what may be answered. */
export function worded({ ask, word, between = ' ', end = '\n\n' }: Wording): (question: Question) => string {
  return ({ text, choices }) => {
    const told = choices.map((choice, i) => `${word}${i + 1}: ${choice}`).join(between);
    const names = choices.map((_, i) => `${word.toLowerCase()}${i + 1}`).join('/');
    return `${ask}: ${text}\n\n${told}${end}Answer format: ${names}`;
  };
}
