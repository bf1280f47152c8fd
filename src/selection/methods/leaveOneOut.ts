import { BatchStream } from '../../engine/batchStream.js';
import { openGradientStep } from '../../engine/gradientStep.js';
import { gridOf } from '../grid.js';
import { jointRun } from '../jointRun.js';
import type { SelectionMethod } from '../method.js';
import { openGates } from '../moduleGates.js';
import { allowanceSettings, jointRunReads, sharingSettings, stepTimeSettings, trainingSettings } from '../settings.js';

/** Batches of the validation half over which losses are compared. */
const validationBatches = 8;

/** After a short run of LoRA on all modules: how much the validation loss rises when one module's adapter is switched off. */
export const leaveOneOut = {
  title: 'leave one out',
  graphs: 1,
  source: 'DESIGN 2.2',
  settings: { ...allowanceSettings, ...stepTimeSettings, ...sharingSettings, ...trainingSettings },
  reads: ['targets', ...jointRunReads],
  async select(context) {
    const { model, objective, halves, settings, signal } = context;
    const { plan, parameters } = await jointRun(context);
    const grid = gridOf(model);
    const gates = openGates(model, 1);
    const { batchSize, seed } = settings;
    const batches = new BatchStream(halves.validation, { batchSize, seed, objective, padTokenId: model.padTokenId });
    const step = await openGradientStep(model, {
      objective,
      plan,
      parameters: [...parameters, gates.parameter],
      wrt: [],
      gates: gates.of,
      threads: settings.threads,
      largestBatch: batches.largest,
    });
    const count = Math.min(validationBatches, batches.stepsPerEpoch);
    const meanLoss = async () => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += await step.run(batches.at(i), i);
      return sum / count;
    };
    const phase = context.phase('ablations', model.adaptable.length);
    try {
      const whole = await meanLoss();
      const rises = new Float64Array(model.adaptable.length);
      const { rank, size } = context.shared?.ranks ?? { rank: 0, size: 1 };
      for (const [i, module] of model.adaptable.entries()) {
        signal?.throwIfAborted();
        if (i % size !== rank) continue;
        gates.parameter.values[grid.index(module)] = 0;
        rises[i] = (await meanLoss()) - whole;
        gates.parameter.values[grid.index(module)] = 1;
        phase.update(i + 1);
      }
      await context.shared?.ranks.sum([rises]);
      return { values: grid.matrix(rises), trained: parameters };
    } finally {
      await step.release();
      phase.end();
    }
  },
} satisfies SelectionMethod;
