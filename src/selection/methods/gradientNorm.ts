import { baseWeight, transposed } from '../../adapters/baseWeight.js';
import { noAdapters } from '../../adapters/plan.js';
import { truncatedSvd } from '../../adapters/truncatedSvd.js';
import { BatchStream } from '../../engine/batchStream.js';
import { openGradientStep } from '../../engine/gradientStep.js';
import { refuseNotFiniteGradient } from '../../engine/notFinite.js';
import { headParameters, parameter } from '../../engine/parameters.js';
import { WorkDone } from '../../engine/work.js';
import { matrixOf } from '../damStart.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, sharingSettings } from '../settings.js';

/** Batches whose mean gradient is taken. */
const gradientBatches = 16;
const svdIterations = 4;

/**
 * Root of the sum of squares of the `rank` largest singular values of ∂L/∂W0, before anything is trained: how much a step
 * of rank `rank` lowers the loss to first order (compare LoRA-GA, arXiv 2407.05000, theorem 3.1).
 */
export const gradientNorm = {
  title: 'gradient norm',
  graphs: 1,
  source: 'DESIGN 2.2; compare arXiv 2407.05000',
  settings: { ...allowanceSettings, ...sharingSettings },
  reads: ['targets', 'rank', 'head', 'batchSize', 'gradientCheckpointing'],
  async select(context) {
    const { model, objective, halves, settings, signal } = context;
    const { batchSize, seed } = settings;
    const head = await headParameters(model.head, seed);
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
    const count = Math.min(gradientBatches, batches.stepsPerEpoch);
    const sums = weights.map(({ values }) => new Float32Array(values.length));
    const phase = context.phase('gradients', count);
    const work = new WorkDone();
    try {
      for (let i = 0; i < count; i++) {
        signal?.throwIfAborted();
        const batch = batches.at(i);
        await step.run(batch, i);
        work.add(batch);
        refuseNotFiniteGradient(`batch ${i + 1}`, weights, step.gradients);
        for (const [w, gradient] of step.gradients.entries()) {
          const sum = sums[w]!;
          for (let j = 0; j < sum.length; j++) sum[j]! += gradient[j]! / count;
        }
        phase.update(i + 1, { ...work });
      }
    } finally {
      await step.release();
      phase.end();
    }
    const norms = weights.map(({ shape: [rows, columns] }, w) => {
      const rank = Math.min(settings.rank, rows!, columns!);
      const sizes = { rows: rows!, columns: columns!, rank, iterations: svdIterations };
      const { singularValues } = truncatedSvd(sums[w]!, sizes);
      return Math.sqrt(singularValues.reduce((total, value) => total + value * value, 0));
    });
    return { values: matrixOf(model, norms) };
  },
} satisfies SelectionMethod;
