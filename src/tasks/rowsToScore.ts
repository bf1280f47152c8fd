import { readRows, type Table } from '../data/readers/index.js';
import { taskColumns, usualColumns } from './columns.js';
import { nameOf, warnOfEmpty } from './custom.js';
import { withLead } from './encoding/prompt.js';
import { knownTask } from './known/knownTask.js';
import { tableToExamples } from './rows.js';
import { splitOf } from './splitOf.js';
import type { Columns, LearnedTask, Task } from './task.js';
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
  const { kind } = learned;
  const read = await readRows(path);
  const told = known?.inColumns?.(read) ?? read;
  const columns = columnsIn(told, learned, options);
  const table = kind.inColumns?.(told, { ...learned, columns }) ?? told;
  const labels = (learned.name === 'unknown' ? kind.labelsIn?.(table, columns) : undefined) ?? learned.labels;
  const task = { ...learned, name: nameOf(path), columns, labels };
  const rows = tableToExamples(table, task);
  warnOfEmpty(rows, path, options.warn);
  for (const remark of kind.remarks?.(task, table, undefined) ?? []) options.warn(remark);
  const { generation } = known ?? learned;
  const scored = known?.toScore?.(rows) ?? rows;
  const examples = generation ? scored.map((example) => withLead(example, generation)) : scored;
  return { ...task, splits: ['test'], load: async () => splitOf(task, 'test', examples, path) };
}

function columnsIn(table: Table, { name, kind, columns }: LearnedTask, options: ColumnOptions): Columns {
  if (name === 'unknown') return usualColumns(table, options, kind);
  const { textColumn, pairColumn, labelColumn } = options;
  const { choices } = columns;
  return taskColumns({
    text: textColumn ?? columns.text,
    pair: pairColumn ?? columns.pair,
    label: labelColumn ?? columns.label,
    choices: choices !== undefined && table.columns.includes(choices) ? choices : undefined,
  });
}
