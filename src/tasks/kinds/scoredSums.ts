import type { MetricName } from '../../metrics/names.js';
import { scoreOfSums, sumsOf } from '../../metrics/text/sums.js';
import type { Scored } from './kind.js';

/**
 * The scores that sums over examples give.
 * @param found by metric, what each example adds to it
 * @param of what the metrics are of, for messages
 */
export function scoredSums(
  metrics: readonly MetricName[],
  found: Partial<Record<MetricName, readonly (readonly number[])[]>>,
  of: string,
): Scored {
  const scores: Scored['scores'] = {};
  for (const name of metrics) {
    const added = found[name];
    if (added === undefined) throw new Error(`${name} is no metric of ${of}`);
    scores[name] = scoreOfSums(name, sumsOf(added), added.length);
  }
  return { scores, statistics: found[metrics[0]!]! };
}
