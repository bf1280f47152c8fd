import type { Model } from '../models/model.js';
import { accumulator, type Shared } from './accumulate.js';
import type { Batch } from './batch.js';
import { type GradientStepOptions, openGradientStep } from './gradientStep.js';
import type { LaneSteps } from './laneSteps.js';
import { type Parameter, parameterFeeds } from './parameters.js';

/**
 * What `openLaneSteps` gives, one lane after the other in one compiled step: the memory of one, the time of all, and to
 * the bit what each has alone. Dropout may be on; every lane draws its own.
 *
 * @param options of the first lane; what stands in no lane is shared by all
 * @param lanes parameters of the same names, shapes and order
 * @param shared ranks that share the batch of each lane out
 */
export async function openLaneTurns(
  model: Model,
  options: GradientStepOptions,
  lanes: readonly (readonly Parameter[])[],
  shared?: Shared,
): Promise<LaneSteps> {
  const one = await openGradientStep(model, options);
  const count = lanes.length;
  const losses = new Float32Array(count);
  const gradients = one.gradients.map(({ length }) => new Float32Array(count * length));
  const accumulated = accumulator(one, options.objective.weight, shared);
  const feeds = lanes.map((parameters) => parameterFeeds(parameters));
  return {
    losses,
    gradients,
    async run(batches: readonly (readonly Batch[])[], step: number) {
      for (const [lane, parts] of batches.entries()) {
        const first = (step * count + lane) * Math.max(...batches.map(({ length }) => length));
        losses[lane] = (await accumulated.run(parts, first, feeds[lane])) ?? Number.NaN;
        for (const [k, gradient] of accumulated.gradients.entries())
          gradients[k]!.set(gradient, lane * gradient.length);
      }
      return losses.reduce((sum, loss) => sum + loss, 0) / count;
    },
    release: () => one.release(),
  };
}
