import { noAdapters } from '../../adapters/plan.js';
import { collate } from '../../engine/batching.js';
import { gradientEnergies } from '../../engine/gradientEnergy.js';
import { headParameters } from '../../engine/parameters.js';
import { usageError } from '../../errors.js';
import type { Tensor } from '../../graph/index.js';
import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, measureSettings, sharingSettings } from '../settings.js';

/** Examples of the Fisher information. */
const sampleSize = 64;

/**
 * The trace of the empirical Fisher information of a module's weights, before anything is trained: the diagonal, ∂L/∂w
 * squared and averaged over examples, summed over the weights. Single weights are chosen by it in FISH Mask (arXiv
 * 2111.09839); here modules are. "Empirical": L is the loss of an example under its own label, not under labels that the
 * model draws. Examples are taken one by one, since a batch's gradient would have them cancel, and each gradient is that
 * of W itself, squared and summed as soon as it is there: the trace is exact for 64 examples.
 */
export const fisher = {
  title: 'Fisher information',
  graphs: 1,
  source: 'compare arXiv 2111.09839',
  settings: { ...allowanceSettings, ...measureSettings, ...sharingSettings },
  reads: ['targets', 'head', 'gradientCheckpointing'],
  async select(context) {
    const { model, objective, halves, settings, signal } = context;
    if (objective.parts === 'never') {
      throw usageError(
        'Fisher information is of single examples, and this loss is of whole batches. Select another way.',
      );
    }
    const weights = new Map<string, Tensor>();
    const sample = halves.train.slice(0, sampleSize);
    const phase = context.phase('gradients', sample.length);
    const sums = await gradientEnergies(model, {
      objective,
      plan: {
        ...noAdapters,
        adapt({ path, weight }, y) {
          weights.set(path, weight);
          return y;
        },
      },
      parameters: await headParameters(model, settings.seed),
      wrt: () => model.adaptable.map(({ path }) => ({ name: `${path}.weight`, tensor: weights.get(path)! })),
      gradientCheckpointing: settings.gradientCheckpointing,
      threads: settings.threads,
      batches: oneByOne(sample, (examples) => collate(examples, model.padTokenId, objective)),
      unit: 'example',
      ranks: context.shared?.ranks,
      signal,
      onBatch: (done) => phase.update(done, { examples: done }),
    }).finally(() => phase.end());
    return { values: gridOf(model).matrix(sums.map((sum) => sum / sample.length)) };
  },
} satisfies SelectionMethod;

function* oneByOne<Example, Batch>(examples: readonly Example[], batchOf: (one: readonly Example[]) => Batch) {
  for (const example of examples) yield batchOf([example]);
}
