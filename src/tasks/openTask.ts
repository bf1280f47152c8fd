import { existsSync } from 'node:fs';
import { holdsRows, TABLE_ENDINGS } from '../data/readers/index.js';
import { nearestNames, usageError } from '../errors.js';
import { dataFileTask, describedTask } from './custom.js';
import { readDescription } from './description.js';
import { TASKS } from './known/registry.js';
import type { Task } from './task.js';
import { knownFactory, taskForm } from './taskForm.js';
import type { TaskOptions } from './taskOptions.js';

/**
 * Opens a task: a known name (`cola`; case, hyphens and underlines do not matter, so `SST-2` is `sst2`), a data file
 * (`.csv`, `.tsv`, `.jsonl`, with `.gz` too; `.json` that is a list of rows or has SQuAD's form), or a task file (`.yaml`, `.yml`, other
 * `.json`; see `readDescription`).
 * Without `dataDir` the environment's `DIFFORA_DATA` holds. A known task reads nothing before its `load`.
 *
 * @throws DiffoError (usage) for a name that is not known, with the nearest; or what is wrong with the file
 */
export async function openTask(nameOrFile: string, options: TaskOptions): Promise<Task> {
  const factory = knownFactory(nameOrFile);
  const form = taskForm(nameOrFile);
  const columns = [options.textColumn, options.pairColumn, options.labelColumn];
  if ((form === 'known' || form === 'description') && columns.some((column) => column !== undefined)) {
    throw usageError(`The task ${nameOrFile} has columns of its own; columns can be named for a data file only.`);
  }
  if (factory) {
    const dataDir = options.dataDir ?? process.env.DIFFORA_DATA;
    return factory(dataDir === undefined ? options : { ...options, dataDir });
  }
  if (form === 'table' || (form === 'description' && (await holdsRows(nameOrFile)))) {
    return dataFileTask(nameOrFile, options);
  }
  if (form === 'description') return describedTask(await readDescription(nameOrFile), options);
  const known = [...TASKS.keys()];
  if (existsSync(nameOrFile)) {
    throw usageError(
      `${nameOrFile} is neither a data file (${TABLE_ENDINGS.join(', ')}, with .gz too) nor a task file ` +
        '(.yaml, .json).',
    );
  }
  throw usageError(
    `There is no task "${nameOrFile}". Did you mean ${nearestNames(nameOrFile, known, 2).join(' or ')}? Known are ` +
      `${known.join(', ')}; or give a file (${TABLE_ENDINGS.join(', ')}, .yaml, .json).`,
  );
}
