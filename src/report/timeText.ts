import type { TimeEstimate } from '../jobs/estimateTime.js';
import { formatCount, formatSeconds } from './units.js';

/** `about 12 min 04 s: 340 steps of 1.9 s and 2 scorings of 14 s, opened in 3.0 s; measured by 4 steps here` */
export function timeText({
  seconds,
  openingSeconds,
  selection,
  training,
  evaluation,
  evaluations,
  isMost,
}: TimeEstimate): string {
  const scoring = `${formatCount(evaluations)} ${evaluations === 1 ? 'scoring' : 'scorings'} of ${each(evaluation.units * evaluation.secondsPerUnit)}`;
  const chosen =
    selection === undefined
      ? []
      : [`${formatCount(selection.units)} ${selection.name} of ${each(selection.secondsPerUnit)}`];
  const steps = `${formatCount(training.units)} ${training.units === 1 ? 'step' : 'steps'} of ${each(training.secondsPerUnit)}`;
  const beside = openingSeconds + training.setupSeconds + evaluation.setupSeconds + (selection?.setupSeconds ?? 0);
  const by = training.timed + (selection?.timed ?? 0);
  return (
    `${isMost ? 'at most about' : 'about'} ${formatSeconds(seconds)}: ${[...chosen, steps, scoring].join(', ')}, ` +
    `${each(beside)} to open and compile; measured by ${by} ${by === 1 ? 'step' : 'steps'} here`
  );
}

/** Short times need more digits than `0.0 s`. */
function each(seconds: number): string {
  return seconds < 0.0995 ? `${Number((1000 * seconds).toPrecision(2))} ms` : formatSeconds(seconds);
}
