import { usageError } from '../errors.js';
import { refuseSmallerFirst } from '../metrics/metrics.js';
import type { MetricName } from '../metrics/names.js';
import type { Task } from './task.js';

/** A task that is measured by some of its metrics, the first deciding; by all where none are named. */
export function withMetrics(task: Task, metrics: readonly MetricName[] | undefined): Task {
  if (metrics === undefined) return task;
  refuseSmallerFirst(metrics, '--metrics');
  return { ...task, metrics: chosenMetrics(task, metrics) };
}

/** @throws DiffoError (usage) for a metric that the task does not have */
export function chosenMetrics({ name, metrics: known }: Task, metrics: readonly MetricName[]): readonly MetricName[] {
  const strange = metrics.find((metric) => !known.includes(metric));
  if (strange === undefined) return metrics;
  throw usageError(`--metrics ${strange}: the task ${name} is not measured so; it has ${known.join(', ')}.`);
}
