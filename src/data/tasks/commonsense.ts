import { DiffoError } from '../../errors.js';
import { withChoices } from '../choices.js';
import { placeOf, type Row, readJsonList, type Table } from '../readers/index.js';
import { requireColumn, rowToExample, type TaskShape } from '../rows.js';
import type { Example, Generation, SplitName } from '../types.js';
import { fileTask } from './fileTask.js';
import type { TaskFactory } from './task.js';

/**
 * The template of LLM-Adapters' commomsense_evaluate.py (sic), but for the sixteen spaces that indent all its lines save
 * the first, and a space before the first line's end. Its training template (finetune.py) is the same with `# noqa`
 * in the first line. Where an entry has an `input` it follows the instruction under its own heading, as there, but the
 * first line stays as it is. No entry of the files seen has one.
 */
const PROMPT = `Below is an instruction that describes a task. Write a response that appropriately completes the request.

### Instruction:
{text}

### Response:
`;

/** All that tells one commonsense set from another. */
export interface CommonsenseDefinition {
  readonly name: string;
  /** Its folder in LLM-Adapters. */
  readonly folder: string;
  /** Regular expression of an answer: `extract_answer` of commomsense_evaluate.py. */
  readonly answer: string;
  /** Another form that the set goes about in: its folder, its files, and how one becomes LLM-Adapters' entries. */
  readonly original?: {
    readonly folder: string;
    readonly files: Partial<Record<SplitName, string>>;
    readonly read: (path: string) => Promise<Table>;
  };
}

/**
 * Makes the factory of a commonsense set as LLM-Adapters (Hu et al., arXiv 2304.01933) wrote it: `train.json` and
 * `test.json`, lists of `{instruction, input, output, answer}`, below `commonsense/` or not. What may be written is
 * "the correct answer is …" with each word of the instruction's last line, "Answer format: …".
 */
export function commonsenseTask({ name, folder, answer, original }: CommonsenseDefinition): TaskFactory {
  const folders = [folder, ...(original ? [original.folder] : [])];
  const filesOf = (split: SplitName) => [`${split}.json`, ...(original?.files[split] ? [original.files[split]] : [])];
  const generation: Generation = { prompt: PROMPT, maxNewTokens: 32, answer };
  return fileTask({
    name,
    kind: 'language',
    labels: [],
    columns: COLUMNS,
    metrics: ['accuracy', 'generated_accuracy'],
    generation,
    maxLength: 256,
    folders: folders.flatMap((each) => [`commonsense/${each}`, each]),
    files: { train: filesOf('train'), test: filesOf('test') },
    read: async (path) => {
      const isOriginal = original && /\.jsonl(\.gz)?$/.test(path);
      return commonsenseExamples(await (isOriginal ? original.read(path) : readJsonList(path)), name);
    },
  });
}

const COLUMNS = { text: 'instruction', label: 'output' };

function commonsenseExamples(table: Table, name: string): Example[] {
  for (const column of ['instruction', 'input', 'output', 'answer']) requireColumn(table, column);
  const shape: TaskShape = { name, kind: 'language', labels: [], columns: COLUMNS };
  return table.rows.map((row) => toExample(shape, row, table.path));
}

function toExample(shape: TaskShape, row: Row, path: string): Example {
  const where = placeOf(path, row);
  const { text, ...example } = rowToExample(shape, row, path);
  const { input, output, answer } = row.values;
  const words = /Answer format: (\S+)$/.exec(text)?.[1]?.split('/');
  if (!words) throw new DiffoError(`${where}: the instruction does not end in "Answer format: a/b/…". Mend the entry.`);
  if (output !== `the correct answer is ${answer}`) {
    throw new DiffoError(`${where}: the output is not "the correct answer is ${answer}". Correct output or answer.`);
  }
  const whole = input ? `${text}\n\n### Input:\n${input}` : text;
  const choices = words.map((word) => `the correct answer is ${word}`);
  return withChoices({ ...example, text: whole }, choices, where);
}
