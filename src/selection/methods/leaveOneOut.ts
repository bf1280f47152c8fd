import { BatchStream } from '../../engine/batchStream.js';
import { openGradientStep } from '../../engine/gradientStep.js';
import { parameter } from '../../engine/parameters.js';
import type { Tensor } from '../../graph/index.js';
import { matrixOf } from '../damStart.js';
import { jointRun } from '../jointRun.js';
import { cellOf, type SelectionMethod } from '../method.js';
import { moduleGates } from '../search.js';
import { allowanceSettings, jointRunReads, sharingSettings, trainingSettings } from '../settings.js';

/** Batches of the validation half over which losses are compared. */
const validationBatches = 8;

/** After a short run of LoRA on all modules: how much the validation loss rises when one module's adapter is switched off. */
export const leaveOneOut = {
  title: 'leave one out',
  graphs: 1,
  source: 'DESIGN 2.2',
  settings: { ...allowanceSettings, ...sharingSettings, ...trainingSettings },
  reads: ['targets', ...jointRunReads],
  async select(context) {
    const { model, objective, halves, settings, signal } = context;
    const { plan, parameters } = await jointRun(context);
    const columns = model.modules.length;
    const gates = parameter('dam.gates', [model.layers, columns], new Float32Array(model.layers * columns).fill(1));
    const { batchSize, seed } = settings;
    const batches = new BatchStream(halves.validation, { batchSize, seed, objective, padTokenId: model.padTokenId });
    const step = await openGradientStep(model, {
      objective,
      plan,
      parameters: [...parameters, gates],
      wrt: [],
      gates: (inputs: ReadonlyMap<string, Tensor>) => moduleGates(model, inputs.get(gates.name)!),
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
      const rises: number[] = [];
      for (const module of model.adaptable) {
        signal?.throwIfAborted();
        const [layer, column] = cellOf(model, module);
        gates.values[layer * columns + column] = 0;
        rises.push((await meanLoss()) - whole);
        gates.values[layer * columns + column] = 1;
        phase.update(rises.length);
      }
      return { values: matrixOf(model, rises), trained: parameters };
    } finally {
      await step.release();
      phase.end();
    }
  },
} satisfies SelectionMethod;
