import * as z from 'zod';
import { readJsonLines } from '../../data/readers/index.js';
import type { Table } from '../../data/readers/table.js';
import { readText } from '../../data/readers/text.js';
import { DiffoError } from '../../errors.js';
import { commonsenseTask } from './commonsense.js';
import { numberedFrom, originalForm, worded } from './multipleChoice.js';

/**
 * Social IQa (Sap et al., arXiv 1904.09728): why, what next, how does one feel? 33,410 / 1,954 questions. Its own files
 * serve as well: `train.jsonl` and, for the test, `dev.jsonl`, from which LLM-Adapters made its test.json, row by row;
 * each with the right answers, 1 to 3, in `train-labels.lst` and `dev-labels.lst` beside it.
 *
 * Not seen on the hub itself but in others' code: that its Parquet files lie in a folder `default`.
 */
export const siqa = commonsenseTask({
  name: 'siqa',
  folder: 'social_i_qa',
  answer: 'answer[1-5]',
  original: originalForm(
    {
      context: z.string(),
      question: z.string(),
      answerA: z.string(),
      answerB: z.string(),
      answerC: z.string(),
      label: numberedFrom(1),
    },
    ({ context, question, answerA, answerB, answerC, label }) => ({
      text: `${context} ${question}`,
      choices: [answerA, answerB, answerC],
      right: label,
    }),
  ),
  instruction: worded({ ask: 'Please choose the correct answer to the question', word: 'Answer' }),
  hub: { repository: 'allenai/social_i_qa', config: 'default', splits: { train: 'train', test: 'validation' } },
  originalFiles: {
    folder: 'social_i_qa_original',
    files: { train: 'train.jsonl', test: 'dev.jsonl' },
    read: readOriginal,
  },
});

/** Rows with the labels of the file beside theirs. */
async function readOriginal(path: string): Promise<Table> {
  const table = await readJsonLines(path);
  const labelPath = path.replace(/\.jsonl(\.gz)?$/, '-labels.lst');
  const labels = (await readText(labelPath)).trim().split(/\s+/);
  if (labels.length !== table.rows.length) {
    throw new DiffoError(
      `${labelPath} has ${labels.length} labels for the ${table.rows.length} rows of ${path}. Fetch both again.`,
    );
  }
  const wrong = labels.findIndex((label) => !/^[123]$/.test(label));
  if (wrong >= 0) {
    throw new DiffoError(`${labelPath}, line ${wrong + 1}: the label "${labels[wrong]}" is not 1, 2 or 3. Mend it.`);
  }
  const rows = table.rows.map((row, i) => ({ ...row, values: { ...row.values, label: labels[i] } }));
  return { path, columns: [...table.columns, 'label'], rows };
}
