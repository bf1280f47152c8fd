import { existsSync } from 'node:fs';
import { isTablePath, TABLE_ENDINGS } from '../data/readers/index.js';
import { nearestNames, usageError } from '../errors.js';
import { dataFileTask, describedTask } from './custom.js';
import { isDescriptionPath, readDescription } from './description.js';
import { TASKS } from './known/registry.js';
import type { Task } from './task.js';
import type { TaskOptions } from './taskOptions.js';

/**
 * Opens a task: a known name (`cola`; case, hyphens and underlines do not matter, so `SST-2` is `sst2`), a data file
 * (`.csv`, `.tsv`, `.jsonl`, with `.gz` too), or a task file (`.yaml`, `.yml`, `.json`; see `readDescription`).
 * Without `dataDir` the environment's `DIFFORA_DATA` holds. A known task reads nothing before its `load`.
 *
 * @throws DiffoError (usage) for a name that is not known, with the nearest; or what is wrong with the file
 */
export async function openTask(nameOrFile: string, options: TaskOptions): Promise<Task> {
  const factory = [...TASKS].find(([name]) => plainName(name) === plainName(nameOrFile))?.[1];
  if (factory) {
    const columns = [options.textColumn, options.pairColumn, options.labelColumn];
    if (columns.some((column) => column !== undefined)) {
      throw usageError(`The task ${nameOrFile} has columns of its own; columns can be named for a data file only.`);
    }
    const dataDir = options.dataDir ?? process.env.DIFFORA_DATA;
    return factory(dataDir === undefined ? options : { ...options, dataDir });
  }
  if (isTablePath(nameOrFile)) return dataFileTask(nameOrFile, options);
  if (isDescriptionPath(nameOrFile)) return describedTask(await readDescription(nameOrFile), options);
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

function plainName(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '');
}
