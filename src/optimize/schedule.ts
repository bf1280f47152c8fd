/**
 * Factor on the learning rate at a step (counted from 0): rises linearly from 0 over the warm-up, then falls linearly
 * to 0 at `totalSteps` (transformers' get_linear_schedule_with_warmup).
 */
export function linearSchedule(step: number, totalSteps: number, warmupSteps: number): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  return Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps));
}
