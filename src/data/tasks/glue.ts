import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DiffoError } from '../../errors.js';
import { hubTable } from '../hub/hubTable.js';
import { readDelimited, type Table } from '../readers/index.js';
import { tableToExamples } from '../rows.js';
import { makeSplit } from '../split.js';
import type { Split, SplitName, Task } from '../types.js';
import type { TaskFactory, TaskOptions } from './task.js';

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

/** Where the rows of a task are in {@link REPOSITORY}. */
export interface GlueHub {
  readonly config: string;
  /** The labelled splits there; most tasks have two, the labels of `test` being held back. */
  readonly splits?: Partial<Record<SplitName, string>>;
  /** Names of the columns there, where they are not the task's. */
  readonly columns?: Task['columns'];
}

/** All that tells one GLUE task from another. */
export interface GlueDefinition extends Omit<Task, 'splits' | 'load'> {
  /** Names its folder goes by in a data directory; the first is used in messages. */
  readonly folders: readonly string[];
  /** For each split the forms to look for, in order. */
  readonly files: Partial<Record<SplitName, readonly GlueFile[]>>;
  readonly hub: GlueHub;
}

/**
 * Makes the factory of a GLUE task from its definition. The rows come from the data directory where one is given, else
 * from the hub or its local cache.
 */
export function glueTask(definition: GlueDefinition): TaskFactory {
  const { folders, files, hub, ...task } = definition;
  const splits = (['train', 'dev', 'test'] as const).filter((split) => files[split] !== undefined);
  return (options) => ({
    ...task,
    splits,
    load: (split) => loadSplit(split, definition, options),
  });
}

async function loadSplit(split: SplitName, definition: GlueDefinition, options: TaskOptions): Promise<Split> {
  const forms = definition.files[split];
  if (!forms) {
    throw new DiffoError(`The task ${definition.name} has no labelled ${split} split; choose another split.`);
  }
  const { dataDir } = options;
  return dataDir ? fromFile(split, definition, forms, dataDir) : fromHub(split, definition, options);
}

async function fromHub(split: SplitName, definition: GlueDefinition, options: TaskOptions): Promise<Split> {
  const { name, hub } = definition;
  const { config, splits = { train: 'train', dev: 'validation' }, columns = definition.columns } = hub;
  const itsSplit = splits[split];
  if (itsSplit === undefined) {
    throw new DiffoError(
      `The task ${name} has no labelled ${split} split on the hub; choose another split, or give its files with ` +
        '--data-dir or DIFFORA_DATA.',
    );
  }
  const table = await hubTable({ repository: REPOSITORY, config, split: itsSplit }, options);
  refuseUnlabelled(table, columns.label);
  return makeSplit(split, tableToExamples(table, definition, columns), table.path, definition);
}

/** On the hub -1 stands for a label that is held back. */
function refuseUnlabelled({ path, rows }: Table, column: string): void {
  const row = rows.find(({ values }) => values[column] === -1);
  if (row === undefined) return;
  throw new DiffoError(
    `${path}, line ${row.line}: the row has no label (-1). Give labelled files with --data-dir or DIFFORA_DATA.`,
  );
}

async function fromFile(
  split: SplitName,
  definition: GlueDefinition,
  forms: readonly GlueFile[],
  dataDir: string,
): Promise<Split> {
  const { path, form } = findFile(definition, forms, dataDir);
  const table = await readDelimited(path, {
    format: 'tsv',
    columns: form.header,
    optionalColumns: form.optionalColumns,
  });
  const examples = tableToExamples(table, definition, form.columns ?? definition.columns);
  return makeSplit(split, examples, path, definition);
}

function findFile(
  { name, folders }: GlueDefinition,
  forms: readonly GlueFile[],
  dataDir: string,
): { path: string; form: GlueFile } {
  if (!existsSync(dataDir))
    throw new DiffoError(`The data folder ${dataDir} does not exist. Check --data-dir or DIFFORA_DATA.`);
  for (const folder of folders) {
    for (const form of forms) {
      for (const ending of ['', '.gz']) {
        const path = join(dataDir, folder, form.file + ending);
        if (existsSync(path)) return { path, form };
      }
    }
  }
  const wanted = forms.map(({ file }) => `${join(dataDir, folders[0]!, file)}[.gz]`).join(' or ');
  throw new DiffoError(
    `The task ${name} finds no data: ${wanted} does not exist (the folder may also be called ` +
      `${folders.slice(1).join(' or ')}). Check --data-dir or DIFFORA_DATA.`,
  );
}
