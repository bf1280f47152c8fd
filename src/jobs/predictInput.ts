import type { TaskFile } from '../artifacts/taskFile.js';
import { readRows } from '../data/readers/index.js';
import type { Table } from '../data/readers/table.js';
import type { Example } from '../data/types.js';
import { DiffoError, quoted, usageError } from '../errors.js';
import type { Reporter } from '../reporter.js';
import { usualColumns } from '../tasks/columns.js';
import type { Kind } from '../tasks/kinds/kind.js';
import { knownTask } from '../tasks/known/knownTask.js';
import { rowToExample } from '../tasks/rows.js';
import { isUnknown, unknownTask } from '../tasks/task.js';

/** What is to be predicted: one text, or the rows of a file with the task's columns. */
export type PredictInput = { readonly text: string; readonly pair?: string | undefined } | { readonly file: string };

/** What rows look like where no adapter says so: the usual columns of a kind. */
export function plainTask(kind: Kind): TaskFile {
  const columns = usualColumns({ path: '', columns: [], rows: [] }, {}, kind);
  const { usual: metrics } = kind.metrics(columns);
  return { format: 'diffora-task/1', ...unknownTask, kind, labels: [], columns, metrics, maxLength: 512 };
}

/**
 * The examples of an input, in its order. Rows of a known task may have any form that it reads; what was learned, such as
 * the attributes of E2E on a line, is made of them. Labels may be missing or `-1`, and are not told.
 *
 * @throws DiffoError that names the file and, where a row lacks its text or has no form of a known task, the line
 */
export async function readPredictInput(input: PredictInput, task: TaskFile): Promise<Example[]> {
  const inColumns = (table: Table, columns = task.columns) => {
    const told = knownTask(task)?.inColumns?.(table) ?? table;
    return task.kind.inColumns?.(told, { ...task, columns }) ?? told;
  };
  if ('text' in input) {
    const { columns } = task;
    const { text, pair } = input;
    if (pair === undefined && columns.pair !== undefined && !task.kind.answersSingleTexts) {
      const what = isUnknown(task) ? 'This head' : `Task ${task.name}`;
      throw usageError(`${what} is about pairs of texts; give the second ("${columns.pair}") with --pair.`);
    }
    const takesPairs = columns.pair !== undefined && !task.kind.answersSingleTexts;
    if (pair !== undefined && !takesPairs && !isUnknown(task)) {
      throw usageError(`Task ${task.name} is about single texts; leave --pair out.`);
    }
    const single = { ...task, columns: { text: columns.text, label: columns.label } };
    const row = { line: 1, values: { [columns.text]: text } };
    const told = inColumns({ path: '--text', columns: [columns.text], rows: [row] });
    const [example] = told.rows.map((row) => rowToExample(single, row, told.path));
    return [{ ...example!, ...(pair === undefined ? {} : { pair }) }];
  }
  const read = await readRows(input.file);
  // Where nobody says how columns are called, a file may have a second text, too.
  const columns = isUnknown(task) ? usualColumns(read, {}, task.kind) : task.columns;
  const table = inColumns(read, columns);
  const isSingle = columns.pair === undefined || task.kind.answersSingleTexts === true;
  for (const column of isSingle ? [columns.text] : [columns.text, columns.pair!]) {
    if (table.columns.includes(column)) continue;
    const found = table.columns.length === 0 ? 'no rows' : `only ${quoted(table.columns)}`;
    const read = isUnknown(task) ? 'the text is read from a column' : 'the adapter was trained on a column';
    throw new DiffoError(`${input.file} has ${found}, and ${read} "${column}". Rename the column of the text.`);
  }
  return table.rows.map((row) => {
    const { [columns.label]: _, ...values } = row.values;
    return rowToExample({ ...task, columns }, { ...row, values }, input.file);
  });
}

/** Says how many texts hold nothing: they are answered all the same, as transformers does. */
export function warnOfEmpty(examples: readonly Example[], { warn }: Pick<Reporter, 'warn'>): void {
  const empty = examples.filter(({ text }) => text.trim() === '').length;
  if (empty > 0) warn(examples.length === 1 ? 'The text is empty.' : `${empty} of ${examples.length} texts are empty.`);
}
