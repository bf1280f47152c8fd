import type { Ranks } from '../mpi/ranks.js';
import type { Batch } from './batch.js';
import type { BatchStream } from './batchStream.js';
import type { GradientStep } from './gradientStep.js';
import { refuseNotFiniteGradient } from './notFinite.js';

/** Batches whose mean gradient says where a model would move, before anything is trained. */
export const usualBatches = 16;

/** How many batches of a stream a mean gradient is over: 16, or an epoch where that is fewer. */
export function meanGradientBatches({ stepsPerEpoch }: BatchStream): number {
  return Math.min(usualBatches, stepsPerEpoch);
}

/**
 * The mean gradient of a step over the first batches of a stream (see {@link meanGradientBatches}).
 * @returns an array for each of `wrt`, as `zeros` makes them: float64 where what is summed is small
 * @throws NotFiniteError that names the batch, where a gradient is not finite: a mean would hide it
 */
export async function meanGradient<Sum extends Float32Array | Float64Array>(
  step: GradientStep,
  batches: BatchStream,
  options: {
    /** What the step differentiates by, in its order. */
    readonly wrt: readonly { readonly name: string }[];
    readonly zeros: (length: number) => Sum;
    /** Ranks that take the batches in turns. */
    readonly ranks?: Ranks | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly onBatch?: (done: number, batch: Batch) => void;
  },
): Promise<Sum[]> {
  const sums = step.gradients.map(({ length }) => options.zeros(length));
  const count = meanGradientBatches(batches);
  for (let i = 0; i < count; i++) {
    options.signal?.throwIfAborted();
    const batch = batches.at(i);
    if (i % (options.ranks?.size ?? 1) !== (options.ranks?.rank ?? 0)) continue;
    await step.run(batch, i);
    refuseNotFiniteGradient(`batch ${i + 1}`, options.wrt, step.gradients);
    for (const [w, gradient] of step.gradients.entries()) {
      const sum = sums[w]!;
      for (let j = 0; j < sum.length; j++) sum[j]! += gradient[j]! / count;
    }
    options.onBatch?.(i + 1, batch);
  }
  await options.ranks?.sum(sums);
  return sums;
}
