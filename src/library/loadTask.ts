import type { MetricName } from '../metrics/names.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { refuseIdlePlaces } from '../settings/config.js';
import { withMetrics } from '../tasks/chosenMetrics.js';
import { openTask } from '../tasks/openTask.js';
import type { Task } from '../tasks/task.js';
import type { ColumnOptions } from '../tasks/taskOptions.js';
import { taskReports } from '../tasks/taskReports.js';

export interface LoadTaskOptions extends ProgressOptions, ColumnOptions {
  /** Folder with a sub-folder for each known task; default: the environment's `DIFFORA_DATA`, else the hub. */
  readonly dataDir?: string | undefined;
  /** Some of the task's metrics, the first deciding; default: all. */
  readonly metrics?: readonly MetricName[] | undefined;
  /** Chooses the rows held out of a file that has no dev part. Default 0. */
  readonly seed?: number | undefined;
}

/**
 * Opens a task: a known name (`cola`, `squad`, `gsm8k`, …), a data file (`.csv`, `.tsv`, `.jsonl`, `.parquet`) or a task
 * file (`.yaml`). A known task reads nothing before it is used; a file is read and checked at once.
 *
 * @throws DiffoError for a name that is not known, with the nearest; or what is wrong with the file
 * @example
 * const task = await loadTask('reviews.csv', { textColumn: 'review', labelColumn: 'stars' });
 */
export async function loadTask(nameOrFile: string, options: LoadTaskOptions = {}): Promise<Task> {
  const { reporter = silent, signal, metrics, ...rest } = options;
  refuseIdlePlaces(rest, nameOrFile);
  return withMetrics(await openTask(nameOrFile, { ...rest, ...taskReports(reporter, signal) }), metrics);
}
