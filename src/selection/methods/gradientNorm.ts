import { baseWeight } from '../../adapters/baseWeight.js';
import { noAdapters } from '../../adapters/plan.js';
import { truncatedSvd } from '../../adapters/truncatedSvd.js';
import { transposed } from '../../checkpoint/transposed.js';
import { BatchStream } from '../../engine/batchStream.js';
import { openGradientStep } from '../../engine/gradientStep.js';
import { meanGradient, meanGradientBatches } from '../../engine/meanGradient.js';
import { headParameters, parameter } from '../../engine/parameters.js';
import { WorkDone } from '../../engine/work.js';
import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, measureSettings, sharingSettings, stepTimeSettings } from '../settings.js';

const svdIterations = 4;

/**
 * Root of the sum of squares of the `rank` largest singular values of ∂L/∂W0, before anything is trained: how much a step
 * of rank `rank` lowers the loss to first order (compare LoRA-GA, arXiv 2407.05000, theorem 3.1).
 */
export const gradientNorm = {
  title: 'gradient norm',
  graphs: 1,
  source: 'DESIGN 2.2; compare arXiv 2407.05000',
  settings: { ...allowanceSettings, ...measureSettings, ...stepTimeSettings, ...sharingSettings },
  reads: ['targets', 'rank', 'head', 'batchSize', 'gradientCheckpointing'],
  async select(context) {
    const { model, objective, halves, settings, signal } = context;
    const { batchSize, seed } = settings;
    const head = await headParameters(model, seed);
    const weights = await Promise.all(
      model.adaptable.map(async (module) => {
        const { path, inFeatures, outFeatures } = module;
        const values = await baseWeight(model, module);
        return module.transposed === true
          ? parameter(`${path}.weight`, [inFeatures, outFeatures], transposed(values, outFeatures, inFeatures))
          : parameter(`${path}.weight`, [outFeatures, inFeatures], values);
      }),
    );
    const batches = new BatchStream(halves.train, { batchSize, seed, objective, padTokenId: model.padTokenId });
    const step = await openGradientStep(model, {
      objective,
      plan: { ...noAdapters, replaced: weights.map(({ name }) => name) },
      parameters: [...weights, ...head],
      wrt: weights,
      gradientCheckpointing: settings.gradientCheckpointing,
      threads: settings.threads,
      largestBatch: batches.largest,
    });
    const phase = context.phase('gradients', meanGradientBatches(batches));
    const work = new WorkDone();
    const means = await meanGradient(step, batches, {
      wrt: weights,
      // As large as the model: half the memory of float64.
      zeros: (length) => new Float32Array(length),
      ranks: context.shared?.ranks,
      signal,
      onBatch(done, batch) {
        work.add(batch);
        phase.update(done, { ...work });
      },
    }).finally(async () => {
      await step.release();
      phase.end();
    });
    const norms = weights.map(({ shape: [rows, columns] }, w) => {
      const rank = Math.min(settings.rank, rows!, columns!);
      const sizes = { rows: rows!, columns: columns!, rank, iterations: svdIterations };
      const { singularValues } = truncatedSvd(means[w]!, sizes);
      return Math.sqrt(singularValues.reduce((total, value) => total + value * value, 0));
    });
    return { values: gridOf(model).matrix(norms) };
  },
} satisfies SelectionMethod;
