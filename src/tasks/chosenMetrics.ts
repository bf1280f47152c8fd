import { usageError } from '../errors.js';
import type { MetricName } from '../metrics/names.js';
import type { Task } from './task.js';

/**
 * A task that is measured by some of its metrics, or by those that its kind has on request, the first deciding; by all where none are named.
 * @throws DiffoError (usage) for a metric that the task does not have
 */
export function withMetrics(task: Task, metrics: readonly MetricName[] | undefined): Task {
  if (metrics === undefined) return task;
  const { onRequest = [] } = task.kind.metrics(task.columns);
  const known = [...new Set([...task.metrics, ...onRequest])];
  const strange = metrics.find((metric) => !known.includes(metric));
  if (strange === undefined) return { ...task, metrics };
  throw usageError(`--metrics ${strange}: the task ${task.name} is not measured so; it has ${known.join(', ')}.`);
}
