import type { Batch } from './batch.js';
import type { GradientStep } from './gradientStep.js';

/**
 * Runs a step over several batches: the mean of their losses and gradients, each weighted as its own mean is, is that
 * of the batch that they were cut from. `gradients` are overwritten by the next run.
 */
export function accumulator(step: GradientStep, weightOf: (batch: Batch) => number) {
  const sums: Float32Array[] = [];
  let gradients = step.gradients;
  return {
    get gradients() {
      return gradients;
    },
    /**
     * A part without a label has no mean, and adds nothing.
     * @param firstStep selects the dropout masks of the first batch; the next batch has the next
     * @returns the loss; undefined where no part has a label
     */
    async run(batches: readonly Batch[], firstStep: number): Promise<number | undefined> {
      const weights = batches.map(weightOf);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      if (total === 0) return undefined;
      if (batches.length === 1) {
        gradients = step.gradients;
        return step.run(batches[0]!, firstStep);
      }
      if (sums.length === 0) sums.push(...step.gradients.map(({ length }) => new Float32Array(length)));
      let mean = 0;
      let isFirst = true;
      for (const [i, batch] of batches.entries()) {
        if (weights[i] === 0) continue;
        const share = weights[i]! / total;
        mean += share * (await step.run(batch, firstStep + i));
        for (const [g, gradient] of step.gradients.entries()) {
          const sum = sums[g]!;
          for (let k = 0; k < sum.length; k++) sum[k] = (isFirst ? 0 : sum[k]!) + share * gradient[k]!;
        }
        isFirst = false;
      }
      gradients = sums;
      return mean;
    },
  };
}
