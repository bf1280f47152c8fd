import { loraB, loraPlan } from '../../adapters/methods/lora.js';
import { BatchStream } from '../../engine/batchStream.js';
import { gradientEnergies } from '../../engine/gradientEnergy.js';
import { meanGradientBatches } from '../../engine/meanGradient.js';
import { adapterParameters, headParameters } from '../../engine/parameters.js';
import { WorkDone } from '../../engine/work.js';
import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, measureSettings, sharingSettings } from '../settings.js';

/**
 * PAGE (projected adapter gradient energy, arXiv 2605.06183): the gradient energy that a module's adapter has to train
 * with at its start. That, and that DomLoRA keeps the one module where it is largest, is what the abstract says; the paper
 * was not at hand, and the rest is decided here. B starts at 0, so A's gradient is 0 and the energy is B's:
 *
 *     Σ over 16 batches of ‖∂L/∂B‖² = s² ‖∂L/∂W0 · Aᵀ‖², s = alpha / rank
 *
 * with A as a run of this seed starts with it. It is a sum of squares, not the square of a mean: what differs from batch
 * to batch counts, where `gradient-norm` has it cancel.
 */
export const page = {
  title: 'PAGE (DomLoRA)',
  graphs: 1,
  source: 'arXiv 2605.06183',
  settings: { ...allowanceSettings, ...measureSettings, ...sharingSettings },
  reads: ['targets', 'rank', 'alpha', 'head', 'batchSize', 'gradientCheckpointing'],
  async select(context) {
    const { model, objective, halves, settings, signal } = context;
    const { rank, alpha, batchSize, seed } = settings;
    const plan = loraPlan({ rank, alpha }, { own: model.adaptable, shared: [] });
    const stream = new BatchStream(halves.train, { batchSize, seed, objective, padTokenId: model.padTokenId });
    const count = meanGradientBatches(stream);
    const phase = context.phase('gradients', count);
    const work = new WorkDone();
    const energies = await gradientEnergies(model, {
      objective,
      plan,
      parameters: [...(await adapterParameters(plan, model, seed)), ...(await headParameters(model, seed))],
      wrt: ({ inputs }) => model.adaptable.map(({ path }) => ({ name: loraB(path), tensor: inputs.get(loraB(path))! })),
      gradientCheckpointing: settings.gradientCheckpointing,
      threads: settings.threads,
      batches: batchesOf(stream, count),
      unit: 'batch',
      ranks: context.shared?.ranks,
      signal,
      onBatch(done, batch) {
        work.add(batch);
        phase.update(done, { ...work });
      },
    }).finally(() => phase.end());
    return { values: gridOf(model).matrix(energies) };
  },
} satisfies SelectionMethod;

function* batchesOf(stream: BatchStream, count: number) {
  for (let i = 0; i < count; i++) yield stream.at(i);
}
