import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { adapterMethods } from '../../src/adapters/registry.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate } from '../../src/engine/batching.js';
import { type GradientStepOptions, openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters, trainedOf } from '../../src/engine/parameters.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { randomStream } from '../../src/random.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { vectorObjective } from '../../src/tasks/embedding/losses.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { nightly } from '../nightly.js';

// Variants at night: they differ in what a layer computes, not in where rows are.
const families = readdirSync(oraclePath('families'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .filter((name) => nightly || !name.includes('-'));

/** Short questions and longer passages, as a model takes them. */
function examplesFor({ vocabSize, maxLength }: Pick<Model, 'vocabSize' | 'maxLength'>): EncodedExample[] {
  const text = (length: number, from: number): EncodedExample => ({
    inputIds: Int32Array.from({ length }, (_, i) => 5 + ((from + 3 * i) % (vocabSize - 5))),
    tokenTypeIds: new Int32Array(length),
    label: undefined,
    index: from,
  });
  const longest = Math.min(maxLength, 9);
  return [2, 3, 5].map((length, i) => ({ ...text(length, i), further: [text(longest - i, 10 + i)] }));
}

async function prepared(family: string) {
  const model = openModel(await openCheckpoint(oraclePath('families', family)), {
    taskType: 'FEATURE_EXTRACTION',
    numLabels: 0,
  });
  const config = parseTrainConfig({ task: 'x', method: 'lora', rank: 4 }, 'test').method;
  const plan = adapterMethods.lora.plan(config, { own: model.adaptable, shared: [] }, model);
  const parameters = (await adapterParameters(plan, model, 1)).map((one) => {
    const stream = randomStream(1, 'test', one.name);
    for (const i of one.values.keys()) one.values[i]! += 0.1 * stream.normal();
    return one;
  });
  const objective = vectorObjective('MultipleNegativesRankingLoss', {});
  const batch = collate(examplesFor(model), model.padTokenId, objective);
  const wrt = trainedOf(parameters);
  const gradientsOf = async (options: Partial<GradientStepOptions>) => {
    const step = await openGradientStep(model, {
      ...{ plan, parameters, wrt, objective, threads: 1 },
      largestBatch: { batch: batch.batchSize, seq: batch.sequenceLength },
      ...options,
    });
    try {
      const loss = await step.run(batch, 3);
      return { loss, gradients: step.gradients.map((one) => one.slice()) };
    } finally {
      await step.release();
    }
  };
  return { gradientsOf, names: wrt.map(({ name }) => name) };
}

describe.each(families)('%s, without rows of padding', (family) => {
  it('has the loss and the gradients that it has with them', async () => {
    const { gradientsOf, names } = await prepared(family);
    const padded = await gradientsOf({});
    const largest = Math.max(...padded.gradients.flatMap((one) => Array.from(one, Math.abs)));
    expect(largest).toBeGreaterThan(0);
    for (const gradientCheckpointing of [false, true]) {
      const packed = await gradientsOf({ packed: true, gradientCheckpointing });
      expectClose('loss', [packed.loss], [padded.loss], { relative: 1e-5, floor: 1e-6 });
      for (const [i, name] of names.entries()) {
        expectClose(name, packed.gradients[i]!, padded.gradients[i]!, { relative: 1e-4, floor: 1e-4 * largest });
      }
    }
  });
});

it('draws other masks of dropout, of the same rate, and the same with gradient checkpointing', async () => {
  const { gradientsOf } = await prepared('bert');
  const options = { packed: true, dropoutSeed: 1, dropoutRate: 0.2 };
  const dropped = await gradientsOf(options);
  expect(dropped.loss).not.toBe((await gradientsOf({ packed: true })).loss);
  expect(await gradientsOf({ ...options, gradientCheckpointing: true })).toEqual(dropped);
});
