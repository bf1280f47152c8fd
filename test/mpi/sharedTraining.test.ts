import { describe, expect, it } from 'vitest';
import { collate } from '../../src/engine/batching.js';
import { BatchStream } from '../../src/engine/batchStream.js';
import { openCachedGradient } from '../../src/engine/cachedGradient.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { meanGradient } from '../../src/engine/meanGradient.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { type TrainStep, trainParameters } from '../../src/engine/training.js';
import { predictEach } from '../../src/infer/predictLogits.js';
import type { Ranks } from '../../src/mpi/ranks.js';
import { searchDam } from '../../src/selection/search.js';
import { vectorObjective } from '../../src/tasks/embedding/losses.js';
import { trainingOptions } from '../engine/trainingOptions.js';
import { expectClose } from '../fixtures.js';
import { openTinyBert, planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from '../selection/examples.js';
import { searchOptions } from '../selection/searchOptions.js';
import { onRanks } from './pretended.js';

/** Of 21 examples: the last batch of an epoch has fewer parts than there may be ranks. */
const data = examples(21, 'train');

async function trained(options: {
  ranks?: Ranks;
  parts?: number;
  reduce?: 'bf16';
  dropoutRate?: number;
  steps?: number;
}) {
  const { ranks, reduce, steps: count = 4, ...more } = options;
  const model = await openTinyBert();
  const plan = planOf(model);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  const steps: TrainStep[] = [];
  await trainParameters(model, plan, parameters, data, {
    ...trainingOptions,
    ...more,
    steps: () => count,
    shared: ranks && { ranks, reduce },
    onStep: (step) => steps.push(step),
  });
  return { steps, values: parameters.map(({ values }) => values) };
}

describe('training on ranks', () => {
  it.each([
    [2, 0],
    [3, 0.2],
  ])(
    'gives on %i ranks what as many parts give in one process, to the bit, with dropout %d',
    async (size, dropoutRate) => {
      const alone = await trained({ parts: size, dropoutRate });
      for (const one of await onRanks(size, (ranks) => trained({ ranks, dropoutRate }))) expect(one).toEqual(alone);
    },
  );

  it('cuts the part of a rank further: 2 ranks of 2 parts are 4 parts', async () => {
    const alone = await trained({ parts: 4 });
    const [first, second] = await onRanks(2, (ranks) => trained({ ranks, parts: 2 }));
    expect(second).toEqual(first);
    for (const [i, { loss }] of first!.steps.entries()) expect(loss).toBeCloseTo(alone.steps[i]!.loss!, 6);
  });

  it('in bf16 has the same bits on all ranks, and losses within 1 % of those in float32', async () => {
    const [first, second] = await onRanks(2, (ranks) => trained({ ranks, reduce: 'bf16' }));
    expect(second).toEqual(first);
    const exact = await trained({ parts: 2 });
    for (const [i, { loss }] of first!.steps.entries()) {
      expect(Math.abs(loss! / exact.steps[i]!.loss! - 1)).toBeLessThan(0.01);
    }
    expect(first!.values).not.toEqual(exact.values);
  });

  it('of a loss in which all rows of a batch stand shares the turns out', async () => {
    const gradients = async (ranks?: Ranks) => {
      const model = await openTinyBert();
      const plan = planOf(model);
      const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
      const objective = vectorObjective('MultipleNegativesRankingLoss', {});
      const pairs = examples(7, 'a').map((one, i) => ({ ...one, further: [examples(7, 'b')[i]!] }));
      const batch = collate(pairs, model.padTokenId, objective);
      const largestBatch = { batch: batch.batchSize, seq: batch.sequenceLength };
      const step = await openCachedGradient(model, {
        ...{ objective, plan, parameters, wrt: parameters, threads: 1, largestBatch, rows: 4 },
        shared: ranks && { ranks },
      });
      const loss = await step.run(batch, 0);
      const found = step.gradients.map((one) => one.slice());
      await step.release();
      return { loss, found };
    };
    const alone = await gradients();
    const largest = Math.max(...alone.found.flatMap((one) => Array.from(one, Math.abs)));
    for (const { loss, found } of await onRanks(3, gradients)) {
      expect(loss).toBe(alone.loss);
      for (const [i, one] of found.entries()) {
        expectClose(`gradient ${i}`, one, alone.found[i]!, { relative: 1e-5, floor: 1e-6 * largest });
      }
    }
  });
});

describe('what modules are chosen by', () => {
  it('a mean gradient over batches is that of one process', async () => {
    const mean = async (ranks?: Ranks) => {
      const model = await openTinyBert();
      const plan = planOf(model);
      const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
      const objective = objectives.classification;
      const batches = new BatchStream(data, { batchSize: 4, seed: 1, objective, padTokenId: model.padTokenId });
      const largestBatch = batches.largest;
      const step = await openGradientStep(model, {
        ...{ objective, plan, parameters, wrt: parameters, threads: 1, largestBatch },
      });
      const zeros = (length: number) => new Float64Array(length);
      return meanGradient(step, batches, { wrt: parameters, zeros, ranks }).finally(() => step.release());
    };
    const alone = await mean();
    for (const found of await onRanks(2, mean)) {
      for (const [i, one] of found.entries()) {
        expectClose(`mean ${i}`, one, alone[i]!, { relative: 1e-9, floor: 1e-12 });
      }
    }
  });

  it.each<['first' | 'second', number]>([
    ['first', 1],
    ['first', 2],
    ['second', 1],
  ])('a search of the %s order of %i members moves the matrix as one process does', async (order, team) => {
    const search = async (ranks?: Ranks) => {
      const model = await openTinyBert(3, 'tiny-bert-backbone');
      const members = await Promise.all(
        Array.from({ length: team }, async (_, i) => ({
          head: await headParameters(model, i + 1),
          halves: { train: examples(12, `t${i}`), validation: examples(12, `v${i}`) },
          seed: i + 1,
        })),
      );
      const shared = ranks && { ranks };
      const { logits, history, adapters } = await searchDam(model, members, { ...searchOptions, order, shared });
      return { logits: logits.flat(), losses: history.map((one) => one.validationLoss!), adapters };
    };
    const alone = await search();
    const found = await onRanks(2, search);
    expect(found[1]!.logits).toEqual(found[0]!.logits);
    expect(found[1]!.adapters.map(({ values }) => values)).toEqual(found[0]!.adapters.map(({ values }) => values));
    expectClose('losses', found[0]!.losses, alone.losses, { relative: 1e-5, floor: 1e-6 });
    expectClose('logits', found[0]!.logits, alone.logits, { relative: 1e-3, floor: 1e-5 });
  });
});

it('outputs are shared out, and all ranks have those of one process to the bit', async () => {
  const outputs = async (ranks?: Ranks) => {
    const model = await openTinyBert();
    const plan = planOf(model);
    const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
    const seen: number[] = [];
    const onBatch = (done: number) => seen.push(done);
    const rows = await predictEach(model, plan, parameters, data, { threads: 1, ranks, batchSize: 4, onBatch });
    return { rows, batches: seen.length };
  };
  const alone = await outputs();
  const found = await onRanks(4, outputs);
  for (const { rows } of found) expect(rows).toEqual(alone.rows);
  expect(found.map(({ batches }) => batches)).toEqual([2, 2, 1, 1]);
});
