import { describe, expect, it } from 'vitest';
import { adapterMethods } from '../../src/adapters/registry.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate } from '../../src/engine/batching.js';
import { openCachedGradient } from '../../src/engine/cachedGradient.js';
import { type GradientStep, openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters, trainedOf } from '../../src/engine/parameters.js';
import { openModel } from '../../src/models/registry.js';
import { randomStream } from '../../src/random.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { type VectorLossName, vectorObjective } from '../../src/tasks/embedding/losses.js';
import { expectClose, oraclePath } from '../fixtures.js';

const text = (length: number, from: number): EncodedExample => ({
  inputIds: Int32Array.from({ length }, (_, i) => 5 + ((from + 3 * i) % 40)),
  tokenTypeIds: new Int32Array(length),
  label: from % 3,
  index: from,
});

async function prepared(method: 'lora' | 'adalora') {
  const model = openModel(await openCheckpoint(oraclePath('tiny-bert-backbone')), {
    taskType: 'FEATURE_EXTRACTION',
    numLabels: 0,
  });
  const config = parseTrainConfig({ task: 'x', method, rank: 4 }, 'test', { idle: 'drop' }).method;
  const plan = adapterMethods[method].plan(config, { own: model.adaptable, shared: [] }, model);
  const parameters = (await adapterParameters(plan, model, 1)).map((one) => {
    const stream = randomStream(1, 'test', one.name);
    for (const i of one.values.keys()) one.values[i]! += 0.1 * stream.normal();
    return one;
  });
  return { model, plan, parameters, wrt: trainedOf(parameters) };
}

/** 7 examples of two or three texts, of unequal lengths. */
const examplesOf = (texts: number, length = (i: number) => 3 + (i % 5)) =>
  Array.from({ length: 7 }, (_, i) => ({
    ...text(length(i), i),
    further: Array.from({ length: texts - 1 }, (_, k) => text(length(i + k + 1), 10 * (k + 1) + i)),
  }));

async function gradientsOf(step: GradientStep, batch: Parameters<GradientStep['run']>[0]) {
  const loss = await step.run(batch, 3);
  const gradients = step.gradients.map((one) => one.slice());
  await step.release();
  return { loss, gradients };
}

describe('a batch that runs in turns has the loss and the gradients of the whole', () => {
  it.each<[VectorLossName, number, 'lora' | 'adalora']>([
    ['MultipleNegativesRankingLoss', 2, 'lora'],
    ['MultipleNegativesRankingLoss', 3, 'lora'],
    ['CoSENTLoss', 2, 'lora'],
    ['MultipleNegativesRankingLoss', 2, 'adalora'],
  ])('%s of %d texts, %s', async (name, texts, method) => {
    const { model, ...rest } = await prepared(method);
    const objective = vectorObjective(name, {});
    const batch = collate(examplesOf(texts), model.padTokenId, objective);
    const largestBatch = { batch: batch.batchSize, seq: batch.sequenceLength };
    const options = { ...rest, objective, threads: 1, largestBatch };
    const whole = await gradientsOf(await openGradientStep(model, options), batch);
    for (const rows of [3, 4, batch.batchSize]) {
      const inTurns = await gradientsOf(await openCachedGradient(model, { ...options, rows }), batch);
      expectClose(`loss, ${rows} rows`, [inTurns.loss], [whole.loss], { relative: 1e-5, floor: 1e-6 });
      const largest = Math.max(...whole.gradients.flatMap((one) => Array.from(one, Math.abs)));
      for (const [i, gradient] of inTurns.gradients.entries()) {
        const tolerance = { relative: 1e-5, floor: 1e-5 * largest };
        expectClose(`${rest.wrt[i]!.name}, ${rows} rows`, gradient, whole.gradients[i]!, tolerance);
      }
    }
  });

  it('goes back with the dropout that it came with', async () => {
    const { model, ...rest } = await prepared('lora');
    const objective = vectorObjective('MultipleNegativesRankingLoss', {});
    const batch = collate(
      examplesOf(2, () => 4),
      model.padTokenId,
      objective,
    );
    const largestBatch = { batch: batch.batchSize, seq: batch.sequenceLength };
    const options = { ...rest, objective, threads: 1, largestBatch, dropoutSeed: 5, dropoutRate: 0.3 };
    const whole = await gradientsOf(await openGradientStep(model, options), batch);
    const dry = await gradientsOf(await openGradientStep(model, { ...options, dropoutRate: 0 }), batch);
    // One turn, its rows in their order: the same masks.
    const turn = await gradientsOf(await openCachedGradient(model, { ...options, rows: batch.batchSize }), batch);
    expect(Math.abs(whole.loss - dry.loss)).toBeGreaterThan(1e-3);
    expectClose('loss', [turn.loss], [whole.loss], { relative: 1e-5, floor: 1e-6 });
    for (const [i, gradient] of turn.gradients.entries()) {
      expectClose(rest.wrt[i]!.name, gradient, whole.gradients[i]!, { relative: 1e-4, floor: 1e-5 });
    }
  });
});
