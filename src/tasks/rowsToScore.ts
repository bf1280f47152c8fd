import { readRows } from '../data/readers/index.js';
import type { Table } from '../data/readers/table.js';
import { taskColumns, usualColumns } from './columns.js';
import { nameOf } from './custom.js';
import { withLead } from './encoding/prompt.js';
import { numberedLabels } from './kinds/savedLabels.js';
import { knownTask } from './known/knownTask.js';
import { tableToExamples } from './rows.js';
import { splitOf } from './splitOf.js';
import { type Columns, isUnknown, type LearnedTask, type Task } from './task.js';
import { warnOfEmpty } from './taskOfTables.js';
import type { ColumnOptions, TaskOptions } from './taskOptions.js';

/**
 * A learned task with all rows of a file as its one split, `test`. Rows are read as the task reads them: its kind,
 * labels, columns and way of asking; of a known task also in the other forms that its rows go about in. Choices are
 * those of the file's column where there is one.
 *
 * @param learned of an unknown task the columns are the usual ones, and the labels, where nothing names them, those of the file
 * @throws DiffoError that names file and line: a missing column, a label that is not of the task
 */
export async function rowsToScore(
  path: string,
  learned: LearnedTask,
  options: ColumnOptions & Pick<TaskOptions, 'warn' | 'info'>,
): Promise<Task> {
  const known = knownTask(learned);
  const { kind } = learned;
  const read = await readRows(path);
  for (const note of read.notes ?? []) options.info?.(note);
  const told = known?.inColumns?.(read) ?? read;
  const columns = columnsIn(told, learned, options);
  const table = kind.inColumns?.(told, { ...learned, columns }) ?? told;
  if (table.notes !== told.notes) for (const note of table.notes ?? []) options.info?.(note);
  const labels = labelsOf(table, learned, columns, options.warn);
  const task = { ...learned, name: nameOf(path), columns, labels };
  const rows = tableToExamples(table, task);
  warnOfEmpty(rows, path, options.warn);
  for (const remark of kind.remarks?.(task, table, undefined) ?? []) options.warn(remark);
  const { generation } = known ?? learned;
  const gathered = kind.gathered?.(rows) ?? rows;
  const scored = known?.toScore?.(gathered) ?? gathered;
  const examples = generation ? scored.map((example) => withLead(example, generation)) : scored;
  return { ...task, splits: ['test'], load: async () => splitOf(task, 'test', examples, path) };
}

/** Those that were learned; where nobody named them, those of the file in their order, which is said. */
function labelsOf(table: Table, learned: LearnedTask, columns: Columns, warn: (message: string) => void) {
  const { kind, labels } = learned;
  const isNamed = `${labels}` !== `${numberedLabels(labels.length)}`;
  if (!isUnknown(learned) || isNamed || kind.labelsIn === undefined) return labels;
  const found = kind.labelsIn(table, columns);
  if (found.some((name, i) => name !== String(i) && name !== labels[i])) {
    const order = found.map((name, i) => `${i} = ${name}`).join(', ');
    warn(
      `Nothing says how the outputs of the adapter are called: the labels of ${table.path} are taken in order, ${order}.`,
    );
  }
  return found;
}

function columnsIn(table: Table, learned: LearnedTask, options: ColumnOptions): Columns {
  const { kind, columns } = learned;
  if (isUnknown(learned)) return usualColumns(table, options, kind);
  const { textColumn, pairColumn, labelColumn } = options;
  const { choices } = columns;
  return taskColumns({
    text: textColumn ?? columns.text,
    pair: pairColumn ?? columns.pair,
    label: labelColumn ?? columns.label,
    choices: choices !== undefined && table.columns.includes(choices) ? choices : undefined,
  });
}
