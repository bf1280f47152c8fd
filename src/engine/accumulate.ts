import type { ReduceType } from '../mpi/fixedSum.js';
import type { Ranks } from '../mpi/ranks.js';
import type { Bindings } from '../runtime/session.js';
import type { Batch } from './batch.js';
import type { GradientStep } from './gradientStep.js';

/** Ranks that a batch is shared out to, and how they send their gradients. */
export interface Shared {
  readonly ranks: Ranks;
  readonly reduce?: ReduceType | undefined;
}

/**
 * Runs a step over several batches: the mean of their losses and gradients, each weighted as its own mean is, is that
 * of the batch that they were cut from. `gradients` are overwritten by the next run. Several ranks take the batches in
 * turns; where each has one at most, they get to the bit what one process gets of all.
 */
export function accumulator(
  step: Pick<GradientStep, 'gradients' | 'run'>,
  weightOf: (batch: Batch) => number,
  shared?: Shared,
) {
  const sums: Float32Array[] = [];
  let gradients = step.gradients;
  const rank = shared?.ranks.rank ?? 0;
  const size = shared?.ranks.size ?? 1;

  /** Sums the weighted means of batches, into `sums`. */
  const add = async (
    own: readonly { readonly batch: Batch; readonly share: number; readonly at: number }[],
    values?: Bindings,
  ) => {
    if (sums.length === 0) sums.push(...step.gradients.map(({ length }) => new Float32Array(length)));
    let mean = 0;
    let isFirst = true;
    for (const { batch, share, at } of own) {
      mean += share * (await step.run(batch, at, values));
      for (const [g, gradient] of step.gradients.entries()) {
        const sum = sums[g]!;
        for (let k = 0; k < sum.length; k++) sum[k] = (isFirst ? 0 : sum[k]!) + share * gradient[k]!;
      }
      isFirst = false;
    }
    return mean;
  };

  return {
    get gradients() {
      return gradients;
    },
    /**
     * A part without a label has no mean, and adds nothing.
     * @param batches all of them, on all ranks
     * @param firstStep selects the dropout masks of the first batch; the next batch has the next
     * @param values see GradientStep
     * @returns the loss; undefined where no part has a label
     */
    async run(batches: readonly Batch[], firstStep: number, values?: Bindings): Promise<number | undefined> {
      const weights = batches.map(weightOf);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      if (total === 0) return undefined;
      if (batches.length === 1 && shared === undefined) {
        gradients = step.gradients;
        return step.run(batches[0]!, firstStep, values);
      }
      const parts = batches.map((batch, i) => ({ batch, share: weights[i]! / total, at: firstStep + i }));
      const labelled = parts.filter(({ share }) => share > 0);
      if (shared === undefined) {
        const mean = await add(labelled, values);
        gradients = sums;
        return mean;
      }
      const own = parts.filter(({ share }, i) => i % size === rank && share > 0);
      // Where no rank has more than one, gradients are weighted when they are summed, as one process weighs them.
      const isOneEach = batches.length <= size;
      const factors = Array.from({ length: size }, (_, of) =>
        isOneEach ? (parts[of]?.share ?? 0) : parts.some(({ share }, i) => i % size === of && share > 0) ? 1 : 0,
      );
      let loss = 0;
      if (isOneEach) {
        for (const { batch, at } of own) loss = await step.run(batch, at, values);
        gradients = step.gradients;
      } else {
        loss = await add(own, values);
        gradients = sums;
      }
      await shared.ranks.sum(gradients, { factors, as: shared.reduce });
      const losses = await shared.ranks.numbers(loss);
      return factors.reduce((sum, factor, of) => (factor === 0 ? sum : sum + factor * losses[of]![0]!), 0);
    },
  };
}

/** Parts that a batch is cut into, all ranks together. @param own those of a rank */
export function partsOf(shared: Shared | undefined, own: number): number {
  return own * (shared?.ranks.size ?? 1);
}
