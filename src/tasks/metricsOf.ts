import { DiffoError } from '../errors.js';
import type { MetricName } from '../metrics/names.js';
import type { Kind, KindFacts } from './kinds/kind.js';
import type { Columns } from './task.js';

/**
 * The metrics of a task of one's own, the usual ones where it names none.
 * @throws DiffoError that lists the metrics of that kind when one is of another
 */
export function metricsOf(
  kind: Kind,
  columns: Columns,
  named: readonly MetricName[] | undefined,
  task?: KindFacts,
): readonly MetricName[] {
  const { usual, further = [], of = kind.name } = kind.metrics(columns, task);
  const fitting = [...usual, ...further];
  const unfit = named?.find((metric) => !fitting.includes(metric));
  if (unfit === undefined) return named ?? usual;
  throw new DiffoError(`The metric ${unfit} does not fit a ${of}. Choose from ${fitting.join(', ')}.`);
}
