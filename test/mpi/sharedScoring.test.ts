import { expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { sequenceLikelihoods } from '../../src/infer/likelihood.js';
import { predictEach } from '../../src/infer/predictLogits.js';
import { sharedOut } from '../../src/infer/sharedOut.js';
import { openModel } from '../../src/models/registry.js';
import type { Ranks } from '../../src/mpi/ranks.js';
import { oraclePath } from '../fixtures.js';
import { examples } from '../selection/examples.js';
import { onRanks } from './pretended.js';

const openLlama = async () =>
  openModel(await openCheckpoint(oraclePath('families/llama')), { taskType: 'CAUSAL_LM', numLabels: 0 });

it('likelihoods are shared out, and all ranks have those of one process to the bit', async () => {
  const sequences = Array.from({ length: 20 }, (_, i) => ({
    ids: Array.from({ length: 3 + (i % 4) }, (_, k) => 7 + i + k),
    from: 1 + (i % 2),
  }));
  const none = { plan: noAdapters, parameters: [] };
  const scores = async (ranks?: Ranks) =>
    sequenceLikelihoods(await openLlama(), none, sequences, { threads: 1, ranks });
  const alone = await scores();
  for (const one of await onRanks(2, scores)) expect(one).toEqual(alone);
});

it('the logits of the next token are, too', async () => {
  const texts = examples(9, 'a').map((one) => ({ ...one, inputIds: one.inputIds.map((id) => 5 + (id % 20)) }));
  const logits = async (ranks?: Ranks) =>
    predictEach(await openLlama(), noAdapters, [], texts, { threads: 1, ranks, batchSize: 2 });
  const alone = await logits();
  for (const one of await onRanks(3, logits)) expect(one).toEqual(alone);
});

it('what is written comes back in the order of what was asked', async () => {
  const asked = ['a', 'b', 'c', 'd', 'e'];
  const made: string[][] = [[], [], []];
  const found = await onRanks(3, (ranks) =>
    sharedOut(asked, ranks, async (one, i) => {
      made[ranks.rank]!.push(one);
      return `${one}${i}`;
    }),
  );
  expect(made).toEqual([['a', 'd'], ['b', 'e'], ['c']]);
  for (const one of found) expect(one).toEqual(['a0', 'b1', 'c2', 'd3', 'e4']);
});
