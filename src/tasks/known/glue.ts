import { basename } from 'node:path';
import { readDelimited } from '../../data/readers/index.js';
import type { Table } from '../../data/readers/table.js';
import type { SplitName } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { tableToExamples } from '../rows.js';
import type { Task } from '../task.js';
import type { TaskFactory } from '../taskOptions.js';
import { fileTask, type HubSource } from './fileTask.js';

/** A file of a GLUE task, in one of the forms it goes about in. Tab-separated, quotes literal, `.gz` allowed. */
export interface GlueFile {
  readonly file: string;
  /** Column names by position, where the file has no header line. */
  readonly header?: readonly string[];
  /** How many of the last columns a row may lack. */
  readonly optionalColumns?: number;
  /** Names of the columns in the file, where they are not the task's. */
  readonly columns?: Task['columns'];
}

/** GLUE on the hub. Its classes are numbered in the order of our `labels`. */
const REPOSITORY = 'nyu-mll/glue';

/** The labelled splits there of most tasks, the labels of `test` being held back. */
const USUAL_SPLITS = { train: 'train', dev: 'validation' };

/** Where the rows of a task are in {@link REPOSITORY}. */
export interface GlueHub {
  readonly config: string;
  /** The labelled splits there, where they are not train and validation. */
  readonly splits?: HubSource['splits'];
  /** Names of the columns there, where they are not the task's. */
  readonly columns?: Task['columns'];
}

/** All that tells one GLUE task from another. */
export interface GlueDefinition extends Omit<Task, 'splits' | 'load' | 'hub'> {
  /** Names its folder goes by in a data directory; the first is used in messages. */
  readonly folders: readonly string[];
  /** For each split the forms to look for, in order. */
  readonly files: Partial<Record<SplitName, readonly GlueFile[]>>;
  readonly hub: GlueHub;
}

/** Makes the factory of a GLUE task from its definition. */
export function glueTask({ files, hub, ...task }: GlueDefinition): TaskFactory {
  const forms = Object.values(files).flat();
  const names = Object.entries(files).map(([split, each]) => [split, each.map(({ file }) => file)]);
  const columns = [...forms.map((form) => form.columns), hub.columns].map((each) => each ?? task.columns);
  return fileTask({
    ...task,
    files: Object.fromEntries(names),
    read: (path, split) => readForm(path, files[split] ?? []),
    hub: { repository: REPOSITORY, config: hub.config, splits: hub.splits ?? USUAL_SPLITS },
    examples: (table) => {
      const found = nearestColumns(table, columns);
      refuseUnlabelled(table, found.label);
      return tableToExamples(table, task, found);
    },
  });
}

function readForm(path: string, forms: readonly GlueFile[]): Promise<Table> {
  const form = forms.find(({ file }) => file === basename(path).replace(/\.gz$/, ''));
  return readDelimited(path, { format: 'tsv', columns: form?.header, optionalColumns: form?.optionalColumns });
}

/** Of the names that a task's columns go by those of which a table lacks fewest: none, unless it is to be refused. */
function nearestColumns(table: Table, names: readonly Task['columns'][]): Task['columns'] {
  const lacking = (columns: Task['columns']) =>
    Object.values(columns).filter((name) => !table.columns.includes(name)).length;
  return names.reduce((best, each) => (lacking(each) < lacking(best) ? each : best));
}

/** On the hub -1 stands for a label that is held back. */
function refuseUnlabelled({ path, rows }: Table, column: string): void {
  const row = rows.find(({ values }) => values[column] === -1);
  if (row === undefined) return;
  throw new DiffoError(
    `${path}, line ${row.line}: the row has no label (-1). Give labelled files with --data-dir or DIFFORA_DATA.`,
  );
}
