import type { RunEstimate } from '../jobs/estimate.js';
import type { Screen } from './heatMap.js';
import { formatFacts } from './table.js';
import { timeText } from './timeText.js';
import { formatBytes, formatCount } from './units.js';

/** What `train --dry-run` prints. */
export function estimateView(estimate: RunEstimate, screen: Screen): string {
  const { examples, longest, trainSteps, trainable, memoryBytes, takenBy, availableBytes, time } = estimate;
  return formatFacts(
    [
      ['task', `${estimate.task} (${formatCount(examples.train)} train, ${formatCount(examples.dev)} dev)`],
      ['model', estimate.model],
      ['steps', `${formatCount(trainSteps)} of training; the longest sequence has ${formatCount(longest)} tokens`],
      ['to train', `${formatCount(trainable)} parameters${takenBy === 'selection' ? ' at most' : ''}`],
      ['memory', `about ${formatBytes(memoryBytes)}, most in ${takenBy}; ${formatBytes(availableBytes)} are free`],
      ['time', time === undefined ? 'not measured: its memory is not free' : timeText(time)],
      ['written', 'nothing: this was a dry run'],
    ],
    screen,
  );
}
