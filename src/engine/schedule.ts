/** How the learning rate goes after the warm-up. */
export const schedules = ['linear', 'cosine', 'constant'] as const;
export type ScheduleName = (typeof schedules)[number];

/**
 * Factor on the learning rate at a step (counted from 0): rises linearly from 0 over the warm-up, then stays, or falls
 * to 0 at `totalSteps`, linearly or as half a cosine (transformers' get_…_schedule_with_warmup).
 */
export function scheduleFactor(name: ScheduleName, step: number, totalSteps: number, warmupSteps: number): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  const left = Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps));
  switch (name) {
    case 'linear':
      return left;
    case 'cosine':
      return (1 + Math.cos(Math.PI * (1 - left))) / 2;
    case 'constant':
      return 1;
  }
}

/**
 * The learning rate of each step of a run, counted from 0. Step 0 of a warm-up would have rate 0 and change nothing, so
 * the schedule is read one step ahead.
 */
export function learningRates(options: {
  readonly schedule: ScheduleName;
  readonly peak: number;
  readonly totalSteps: number;
  readonly warmupSteps: number;
}): (step: number) => number {
  const { schedule, peak, totalSteps, warmupSteps } = options;
  return (step) => peak * scheduleFactor(schedule, step + 1, totalSteps + 1, warmupSteps);
}
