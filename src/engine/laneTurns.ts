import type { Model } from '../models/model.js';
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
 */
export async function openLaneTurns(
  model: Model,
  options: GradientStepOptions,
  lanes: readonly (readonly Parameter[])[],
): Promise<LaneSteps> {
  const one = await openGradientStep(model, options);
  const count = lanes.length;
  const losses = new Float32Array(count);
  const gradients = one.gradients.map(({ length }) => new Float32Array(count * length));
  const feeds = lanes.map((parameters) => parameterFeeds(parameters));
  return {
    losses,
    gradients,
    async run(batches: readonly Batch[], step: number) {
      for (const [lane, batch] of batches.entries()) {
        losses[lane] = await one.run(batch, step * count + lane, feeds[lane]);
        for (const [k, gradient] of one.gradients.entries()) gradients[k]!.set(gradient, lane * gradient.length);
      }
      return losses.reduce((sum, loss) => sum + loss, 0) / count;
    },
    release: () => one.release(),
  };
}
