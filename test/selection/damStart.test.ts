import { describe, expect, it } from 'vitest';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import { BatchStream } from '../../src/engine/batchStream.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { gradientNorms, logitsFrom } from '../../src/selection/damStart.js';
import { openTinyBert } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from './examples.js';

describe('gradient norms at the start', () => {
  it('are those of finite differences of the loss by B', async () => {
    const model = await openTinyBert(3, 'tiny-bert-backbone');
    const head = await headParameters(model, 1);
    const options = { objective: objectives.classification, rank: 2, alpha: 4, seed: 1, threads: 1 };
    const batches = new BatchStream(examples(12, 'a'), { ...options, batchSize: 6, padTokenId: model.padTokenId });
    const norms = await gradientNorms(model, head, batches, options);

    const plan = loraPlan(options, { own: model.adaptable, shared: [] });
    const adapters = await adapterParameters(plan, model, 1);
    const step = await openGradientStep(model, {
      ...options,
      plan,
      parameters: [...adapters, ...head],
      wrt: [],
      largestBatch: batches.largest,
    });
    const loss = async () => ((await step.run(batches.at(0), 0)) + (await step.run(batches.at(1), 1))) / 2;
    for (const path of ['bert.encoder.layer.0.attention.self.key', 'bert.encoder.layer.2.output.dense']) {
      const { values } = adapters.find(({ name }) => name === `${path}.lora_B`)!;
      let squares = 0;
      for (let i = 0; i < values.length; i++) {
        values[i] = 0.02;
        const above = await loss();
        values[i] = -0.02;
        const below = await loss();
        values[i] = 0;
        squares += ((above - below) / 0.04) ** 2;
      }
      const { layer, module } = model.adaptable.find((one) => one.path === path)!;
      expect(norms[layer]![model.modules.indexOf(module)]! / Math.sqrt(squares)).toBeCloseTo(1, 1);
    }
    await step.release();
  });

  it('become logits of mean 0 and spread 0.5 in each group, in the order of the norms', () => {
    const groups = [
      { entries: [0, 1, 2], kept: 1 },
      { entries: [3, 4, 5], kept: 1 },
    ];
    const logits = logitsFrom(
      [
        [1, Math.E, Math.E ** 2],
        [5, 5, 5],
      ],
      groups,
    );
    // Logarithms 0, 1, 2: deviations −1, 0, 1, spread √(2/3).
    const outer = 0.5 / Math.sqrt(2 / 3);
    for (const [i, expected] of [-outer, 0, outer, 0, 0, 0].entries()) expect(logits[i]).toBeCloseTo(expected, 12);
  });
});
