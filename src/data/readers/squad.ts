import * as z from 'zod';
import { DiffoError } from '../../errors.js';
import { firstFault } from '../../files/faults.js';
import { readJson } from './json.js';
import type { Row, Table } from './table.js';

const question = z.object({
  id: z.string(),
  question: z.string(),
  answers: z.array(z.object({ text: z.string(), answer_start: z.int().nonnegative() })),
  is_impossible: z.boolean().optional(),
});
const paragraph = z.object({ context: z.string(), qas: z.array(question) });
const article = z.object({ title: z.string().optional(), paragraphs: z.array(paragraph) });
const schema = z.object({ data: z.array(article) });

/**
 * Reads a file of SQuAD's form (`.json`, `.json.gz`): articles of paragraphs of questions. A question is a row with the
 * columns that SQuAD has on the hub: `id`, `title`, `context`, `question` and `answers`, which is
 * `{ text: […], answer_start: […] }`.
 *
 * @throws DiffoError that names the file and the key that is wrong, or article and question where `is_impossible` does
 *   not agree with the answers
 */
export async function readSquad(path: string): Promise<Table> {
  const value = await readJson(path);
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const fault = firstFault(parsed.error, schema, value);
    throw new DiffoError(`${path}: ${fault}. It should have the form of SQuAD's files.`);
  }
  const rows = parsed.data.data.flatMap(({ title, paragraphs }, i) =>
    paragraphs.flatMap(({ context, qas }) => qas.map((asked) => toRow(path, title ?? `${i + 1}`, context, asked))),
  );
  const columns = ['id', 'title', 'context', 'question', 'answers'];
  return { path, columns, rows: rows.map((row, i) => ({ line: i + 1, ...row })) };
}

function toRow(path: string, title: string, context: string, asked: z.infer<typeof question>): Omit<Row, 'line'> {
  const { id, answers, is_impossible: impossible } = asked;
  const place = `article "${title}", question ${id}`;
  if (impossible !== undefined && impossible !== (answers.length === 0)) {
    const fault = impossible ? 'is_impossible, and yet has answers' : 'not is_impossible, and yet has no answer';
    throw new DiffoError(`${path}, ${place}: it is ${fault}. Correct one of the two.`);
  }
  const columns = { text: answers.map(({ text }) => text), answer_start: answers.map((each) => each.answer_start) };
  return { place, values: { id, title, context, question: asked.question, answers: columns } };
}
