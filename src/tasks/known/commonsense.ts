import { readJsonList } from '../../data/readers/index.js';
import { placeOf, type Row, type Table } from '../../data/readers/table.js';
import type { SplitName } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import type { Generation } from '../kinds/kind.js';
import { language } from '../kinds/language.js';
import { isEmpty, requireColumn } from '../rows.js';
import type { TaskFactory } from '../taskOptions.js';
import { fileTask, type HubSource } from './fileTask.js';
import type { OriginalForm, Question } from './multipleChoice.js';

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

const COLUMNS = { text: 'instruction', label: 'output', choices: 'choices' };

/** All that tells one commonsense set from another. */
export interface CommonsenseDefinition {
  readonly name: string;
  /** Its folder in LLM-Adapters. */
  readonly folder: string;
  /** Regular expression of an answer: `extract_answer` of commomsense_evaluate.py. */
  readonly answer: string;
  /** The rows of its authors, which the hub has, and what LLM-Adapters makes of one: its instruction. */
  readonly original: OriginalForm;
  readonly instruction: (question: Question) => string;
  /** `test` is what LLM-Adapters scored: of sets whose test labels are held back it is the validation split. */
  readonly hub: HubSource;
  /** Files of its authors. */
  readonly originalFiles?: {
    readonly folder: string;
    readonly files: Partial<Record<SplitName, string>>;
    readonly read: (path: string) => Promise<Table>;
  };
}

/**
 * Makes the factory of a commonsense set as LLM-Adapters (Hu et al., arXiv 2304.01933) wrote it: `train.json` and
 * `test.json`, lists of `{instruction, input, output, answer}`, below `commonsense/` or not; or the same entries made of
 * its authors' rows. What may be written is "the correct answer is …" with each word of the instruction's last line,
 * "Answer format: …".
 */
export function commonsenseTask(definition: CommonsenseDefinition): TaskFactory {
  const { name, folder, answer, hub, originalFiles } = definition;
  const folders = [folder, ...(originalFiles ? [originalFiles.folder] : [])];
  const filesOf = (split: SplitName) => [
    `${split}.json`,
    ...(originalFiles?.files[split] ? [originalFiles.files[split]] : []),
  ];
  const generation: Generation = { prompt: PROMPT, maxNewTokens: 32, answer };
  return fileTask({
    name,
    kind: language,
    labels: [],
    columns: COLUMNS,
    metrics: ['accuracy', 'generated_accuracy'],
    generation,
    maxLength: 256,
    folders: folders.flatMap((each) => [`commonsense/${each}`, each]),
    files: { train: filesOf('train'), test: filesOf('test') },
    read: (path) => (originalFiles && /\.jsonl(\.gz)?$/.test(path) ? originalFiles.read(path) : readEntries(path)),
    hub,
    inColumns: (table) => inColumns(table, definition),
  });
}

async function readEntries(path: string): Promise<Table> {
  const table = await readJsonList(path);
  for (const column of ['instruction', 'input', 'output', 'answer']) requireColumn(table, column, column);
  return table;
}

/** Entries with their choices, from LLM-Adapters' or from the authors' rows; another table as it is. */
function inColumns(table: Table, definition: CommonsenseDefinition): Table {
  const isOriginal = definition.original.columns.every((column) => table.columns.includes(column));
  if (!isOriginal && !table.columns.includes(COLUMNS.text)) return table;
  const rows = table.rows.map((row) => {
    const values = isOriginal ? entryOf(row, table.path, definition) : row.values;
    return { ...row, values: withWords(values, placeOf(table.path, row)) };
  });
  return { ...table, columns: Object.values(COLUMNS), rows };
}

/** The entry that LLM-Adapters makes of a row; without an output where the row does not tell what is right. */
function entryOf(row: Row, path: string, { original, instruction }: CommonsenseDefinition): Row['values'] {
  const question = original.question(row, path);
  const entry = { instruction: instruction(question), input: '' };
  if (question.right === undefined) return entry;
  const answer = wordsOf(entry.instruction)?.[question.right];
  if (answer !== undefined) return { ...entry, output: outputOf(answer), answer };
  throw new DiffoError(`${placeOf(path, row)}: the label names none of the choices. Correct it, or leave it empty.`);
}

function withWords({ instruction, input, output, answer }: Row['values'], where: string): Row['values'] {
  if (typeof instruction !== 'string') return { instruction, output };
  const words = wordsOf(instruction);
  if (!words) throw new DiffoError(`${where}: the instruction does not end in "Answer format: a/b/…". Mend the entry.`);
  if (!isEmpty(answer) && output !== outputOf(answer)) {
    throw new DiffoError(`${where}: the output is not "${outputOf(answer)}". Correct output or answer.`);
  }
  const whole = input ? `${instruction}\n\n### Input:\n${input}` : instruction;
  return { instruction: whole, output, choices: words.map(outputOf) };
}

/** What an instruction says may be answered. */
function wordsOf(instruction: string): string[] | undefined {
  return /Answer format: (\S+)$/.exec(instruction)?.[1]?.split('/');
}

function outputOf(answer: unknown): string {
  return `the correct answer is ${answer}`;
}
