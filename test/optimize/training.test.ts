import { describe, expect, it } from 'vitest';
import { adapterParameters } from '../../src/optimize/parameters.js';
import { type TrainingOptions, trainParameters } from '../../src/optimize/training.js';
import { expectClose } from '../fixtures.js';
import { openTinyBert, planOf, savedClassifier } from '../models/tinyBert.js';
import { examples } from '../selection/examples.js';

async function train(changes: Partial<TrainingOptions>) {
  const model = await openTinyBert();
  const plan = planOf(model);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await savedClassifier())];
  const losses: number[] = [];
  await trainParameters(model, plan, parameters, examples(22, 'a'), {
    kind: 'classification',
    steps: () => 4,
    batchSize: 8,
    seed: 1,
    learningRate: 1e-2,
    weightDecay: 0.01,
    warmupRatio: 0.1,
    maxGradNorm: 1,
    dropoutRate: 0,
    threads: 1,
    onStep: ({ loss }) => losses.push(loss),
    ...changes,
  });
  return { parameters, losses };
}

describe('a batch cut into parts', () => {
  it.each([2, 3, 8])(
    '%i parts: the losses and weights of the whole batch, the last and smaller one too',
    async (parts) => {
      const [whole, cut] = [await train({}), await train({ parts })];
      expectClose('losses', cut.losses, whole.losses, { relative: 1e-5, floor: 1e-6 });
      for (const [i, { name, values }] of whole.parameters.entries()) {
        expectClose(name, cut.parameters[i]!.values, values, { relative: 1e-4, floor: 2e-5 });
      }
    },
  );

  it('and weighted by class: the same as whole', async () => {
    const loss = { classWeights: [1, 3, 0.2], labelSmoothing: 0.1 };
    const [whole, cut] = [await train({ loss }), await train({ loss, parts: 3 })];
    expectClose('losses', cut.losses, whole.losses, { relative: 1e-5, floor: 1e-6 });
    expect(whole.losses).not.toEqual((await train({})).losses);
  });

  it('gives the same bits again, and other masks of dropout to every part', async () => {
    const [one, again] = [await train({ parts: 2, dropoutRate: 0.3 }), await train({ parts: 2, dropoutRate: 0.3 })];
    expect(again.losses).toEqual(one.losses);
    expect((await train({ dropoutRate: 0.3 })).losses).not.toEqual(one.losses);
  });
});
