import type { Reporter } from '../reporter.js';
import type { TrainConfig } from '../settings/config.js';
import { withMetrics } from '../tasks/chosenMetrics.js';
import { openTask } from '../tasks/openTask.js';
import type { Task } from '../tasks/task.js';
import { taskReports } from '../tasks/taskReports.js';

/** The task of a configuration, with the metrics that are asked for. */
export async function openConfiguredTask(config: TrainConfig, reporter: Reporter, signal?: AbortSignal): Promise<Task> {
  const { dataDir, textColumn, pairColumn, labelColumn, metrics } = config;
  const columns = { textColumn, pairColumn, labelColumn };
  const task = await openTask(config.task, { dataDir, ...columns, ...taskReports(reporter, signal) });
  return withMetrics(task, metrics);
}
