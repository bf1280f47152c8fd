import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DiffoError } from '../../errors.js';
import { readDelimited } from '../readers/index.js';
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

/** All that tells one GLUE task from another. */
export interface GlueDefinition extends Omit<Task, 'splits' | 'load'> {
  /** Names its folder goes by in a data directory; the first is used in messages. */
  readonly folders: readonly string[];
  /** For each split the forms to look for, in order. */
  readonly files: Partial<Record<SplitName, readonly GlueFile[]>>;
}

/** Makes the factory of a GLUE task from its definition. */
export function glueTask({ folders, files, ...task }: GlueDefinition): TaskFactory {
  const splits = (['train', 'dev', 'test'] as const).filter((split) => files[split] !== undefined);
  return (options) => ({
    ...task,
    splits,
    load: (split) => loadSplit(split, { folders, files, ...task }, options),
  });
}

async function loadSplit(split: SplitName, definition: GlueDefinition, options: TaskOptions): Promise<Split> {
  const forms = definition.files[split];
  if (!forms) {
    throw new DiffoError(`The task ${definition.name} has no labelled ${split} split; choose another split.`);
  }
  const { path, form } = findFile(definition, forms, options.dataDir);
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
  dataDir: string | undefined,
): { path: string; form: GlueFile } {
  if (!dataDir) {
    throw new DiffoError(
      `The task ${name} reads its data from a folder. Name it with --data-dir or DIFFORA_DATA ` +
        `(the folder that holds ${folders[0]}/${forms[0]!.file}).`,
    );
  }
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
