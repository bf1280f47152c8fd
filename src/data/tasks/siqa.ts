import { DiffoError } from '../../errors.js';
import { placeOf, type Row, readJsonLines, type Table } from '../readers/index.js';
import { readText } from '../readers/text.js';
import { requireColumn } from '../rows.js';
import { commonsenseTask } from './commonsense.js';

/**
 * Social IQa (Sap et al., arXiv 1904.09728): why, what next, how does one feel? 33,410 / 1,954 questions. Its own files
 * serve as well: `train.jsonl` and, for the test, `dev.jsonl`, from which LLM-Adapters made its test.json; each with
 * the right answers, 1 to 3, in `train-labels.lst` and `dev-labels.lst` beside it.
 */
export const siqa = commonsenseTask({
  name: 'siqa',
  folder: 'social_i_qa',
  answer: 'answer[1-5]',
  original: {
    folder: 'social_i_qa_original',
    files: { train: 'train.jsonl', test: 'dev.jsonl' },
    read: readOriginal,
  },
});

async function readOriginal(path: string): Promise<Table> {
  const table = await readJsonLines(path);
  for (const column of ['context', 'question', 'answerA', 'answerB', 'answerC']) requireColumn(table, column);
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
  const rows = table.rows.map((row, i) => ({ ...row, values: entryOf(row, labels[i]!, path) }));
  return { path, columns: ['instruction', 'input', 'output', 'answer'], rows };
}

/** The entry that LLM-Adapters makes of a row: its test.json is the original's dev.jsonl so written, row by row. */
function entryOf(row: Row, label: string, path: string): Row['values'] {
  const [context, question, first, second, third] = ['context', 'question', 'answerA', 'answerB', 'answerC'].map(
    (column) => {
      const text = row.values[column];
      if (typeof text === 'string') return text;
      throw new DiffoError(`${placeOf(path, row)}: column "${column}" holds no text. Mend or remove the row.`);
    },
  );
  const instruction =
    `Please choose the correct answer to the question: ${context} ${question}\n\n` +
    `Answer1: ${first} Answer2: ${second} Answer3: ${third}\n\n` +
    'Answer format: answer1/answer2/answer3';
  const answer = `answer${label}`;
  return { instruction, input: '', output: `the correct answer is ${answer}`, answer };
}
