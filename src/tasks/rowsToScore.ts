import { readRows, type Table } from '../data/readers/index.js';
import { makeSplit } from '../data/split.js';
import { labelsOf, nameOf, usualColumns, warnOfEmpty } from './custom.js';
import { taskColumns } from './description.js';
import { withLead } from './encoding/prompt.js';
import { knownTask } from './known/knownTask.js';
import { tableToExamples } from './rows.js';
import type { LearnedTask, Task } from './task.js';
import type { ColumnOptions } from './taskOptions.js';

/**
 * A learned task with all rows of a file as its one split, `test`. Rows are read as the task reads them: its kind,
 * labels, columns and way of asking; of a known task also in the other forms that its rows go about in. Choices are
 * those of the file's column where there is one.
 *
 * @param learned named `unknown` where nothing but its kind is known: columns and labels are then the usual ones
 * @throws DiffoError that names file and line: a missing column, a label that is not of the task
 */
export async function rowsToScore(
  path: string,
  learned: LearnedTask,
  options: ColumnOptions & { readonly warn: (message: string) => void },
): Promise<Task> {
  const known = knownTask(learned);
  const read = await readRows(path);
  const table = known?.inColumns?.(read) ?? read;
  const columns = columnsIn(table, learned, options);
  const isUnknown = learned.name === 'unknown' && learned.kind === 'classification';
  const labels = isUnknown ? labelsOf(table, columns.label) : learned.labels;
  const task = { ...learned, name: nameOf(path), columns, labels };
  const rows = tableToExamples(table, task);
  warnOfEmpty(rows, path, options.warn);
  const { generation } = known ?? learned;
  const scored = known?.toScore?.(rows) ?? rows;
  const examples = generation ? scored.map((example) => withLead(example, generation)) : scored;
  return { ...task, splits: ['test'], load: async () => makeSplit('test', examples, path, task.labels) };
}

function columnsIn(table: Table, { name, kind, columns }: LearnedTask, options: ColumnOptions): Task['columns'] {
  if (name === 'unknown' && kind !== 'span') return usualColumns(table, options);
  const { textColumn, pairColumn, labelColumn } = options;
  const { choices } = columns;
  return taskColumns({
    text: textColumn ?? columns.text,
    pair: pairColumn ?? columns.pair,
    label: labelColumn ?? columns.label,
    choices: choices !== undefined && table.columns.includes(choices) ? choices : undefined,
  });
}
