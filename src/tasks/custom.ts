import { basename } from 'node:path';
import { readRows, TABLE_ENDINGS } from '../data/readers/index.js';
import { kindOfTable, usualColumns } from './columns.js';
import type { TaskDescription } from './description.js';
import { allKinds } from './kinds/registry.js';
import type { Task } from './task.js';
import { taskOfTables } from './taskOfTables.js';
import type { TaskOptions } from './taskOptions.js';

/**
 * A task from a data file alone (`.csv`, `.tsv`, `.jsonl`, `.json`, each with `.gz` too). Columns are those of the options, else
 * `text`, `sentence` or `sentence1`; `pair` or `sentence2`, where there is one; `label`.
 *
 * @throws DiffoError that lists the columns there are when one is missing; and as {@link describedTask}
 */
export async function dataFileTask(path: string, options: TaskOptions): Promise<Task> {
  const table = await readRows(path);
  const kind = kindOfTable(table, options, allKinds);
  const columns = usualColumns(table, options, kind);
  return describedTask({ name: nameOf(path), train: path, kind, columns }, options);
}

/** A data file's name without its ending. */
export function nameOf(path: string): string {
  const name = basename(path).replace(/\.gz$/i, '');
  const ending = [...TABLE_ENDINGS, '.json'].find((one) => name.toLowerCase().endsWith(one)) ?? '';
  return name.slice(0, name.length - ending.length);
}

/**
 * A task from a description. All files are read at once, so that a mistake shows before anything is trained.
 *
 * @throws DiffoError for what {@link taskOfTables} refuses, with file and line
 */
export async function describedTask(description: TaskDescription, options: TaskOptions): Promise<Task> {
  const { dev, test } = description;
  const read = async (path: string) => {
    const table = await readRows(path);
    for (const note of table.notes ?? []) options.info?.(note);
    return table;
  };
  const tables = {
    train: await read(description.train),
    ...(dev === undefined ? {} : { dev: await read(dev) }),
    ...(test === undefined ? {} : { test: await read(test) }),
  };
  return taskOfTables(description, tables, options, allKinds);
}
