import type { Reporter } from '../reporter.js';
import type { DataConfig } from '../settings/config.js';
import { withMetrics } from '../tasks/chosenMetrics.js';
import { openTask } from '../tasks/openTask.js';
import type { Task } from '../tasks/task.js';
import { taskReports } from '../tasks/taskReports.js';

/** The task of a configuration, with the metrics that are asked for. */
export async function openConfiguredTask(data: DataConfig, reporter: Reporter, signal?: AbortSignal): Promise<Task> {
  const { dataDir, textColumn, pairColumn, labelColumn, metrics } = data;
  const columns = { textColumn, pairColumn, labelColumn };
  const task = await openTask(data.task, { dataDir, ...columns, ...taskReports(reporter, signal) });
  return withMetrics(task, metrics);
}
