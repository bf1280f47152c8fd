import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../../src/jobs/train.js';
import { silent } from '../../src/reporter.js';
import type { SelectionName } from '../../src/selection/registry.js';
import { methods, type TrainConfigInput } from '../../src/settings/config.js';
import { reviewsFolder, type temporaryFolder } from '../cli/run.js';
import { nightly } from '../nightly.js';
import { bytesOf, quickConfig, type Stop, trainInParts } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
});
afterAll(async () => {
  await folder.remove();
  console.log(`${breaks} breaks in ${count} runs, all to the same bytes as without`);
});

let count = 0;
let breaks = 0;
/** A run with breaks after `stops` gives the same bytes as one without, which also keeps no checkpoints. */
async function expectSameBytes(settings: Partial<TrainConfigInput>, stops: readonly Stop[]): Promise<void> {
  const name = `run-${count++}`;
  const [whole, parts] = [folder.path(`${name}-whole`), folder.path(`${name}-parts`)];
  await train({ config: quickConfig(task, settings), output: whole, reporter: silent });
  await trainInParts(quickConfig(task, { ...settings, saveSteps: 3 }), parts, stops);
  const [expected, found] = [await bytesOf(whole), await bytesOf(parts)];
  for (const [what, bytes] of Object.entries(expected)) {
    if (found[what] !== bytes) expect.fail(`${what} differs after breaks at ${stops.join(', ')}`);
  }
  breaks += stops.length;
  expect((await readdir(parts)).sort()).toEqual((await readdir(whole)).sort());
}

// 36 rows in batches of 8: 5 steps an epoch, 10 in all, so 3 and 7 are within an epoch and 5 between two.
describe('N steps are k steps, a break and N − k steps, to the bit', () => {
  it.each(methods.map((method, i) => ({ method, at: [3, 5, 7][i % 3]! })))(
    '--method $method, with dropout, in and between epochs',
    async ({ method, at }) => {
      const rank = method === 'vera' ? 8 : 2;
      const own =
        method === 'adalora'
          ? { adaloraInitRank: 12, adaloraTinit: 1, adaloraTfinal: 3, adaloraDeltaT: 2, lr: 0.02 }
          : {};
      const steps = nightly ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [at];
      await expectSameBytes(
        { method, rank, dropout: 0.1, ...own },
        steps.map((step): Stop => ['train', step]),
      );
    },
  );

  it('in a search, between the steps of a batch and at the end of each stage', async () => {
    await expectSameBytes({ method: 'diffora', dropout: 0.1, start: 'search' }, [
      ['search', 4],
      ['search', 5],
      ['train', 5],
      ['train', 10],
    ]);
  });

  it.each([
    { relax: 'gumbel', damOptimizer: 'adam', entropyWeight: 0.1 },
    { relax: 'budget', damOptimizer: 'gradient', damInit: 'gradient-norm' },
    { relax: 'sigmoid', searchOrder: 'second' },
  ] as const)('in a search with %o', async (settings) => {
    await expectSameBytes({ method: 'diffora', searchSteps: 3, ...settings }, [['search', 2]]);
  });

  it('in a search that ends once it has settled', async () => {
    const settings = { method: 'diffora', damLr: 1e-9, searchSteps: 6, searchPatience: 0.34 } as const;
    await expectSameBytes(settings, [
      ['search', 2],
      ['search', 4],
    ]);
  });

  it('in a search that several share', async () => {
    await expectSameBytes({ method: 'diffora', searchTeam: 2, searchSteps: 3, start: 'search' }, [['search', 2]]);
  });

  it('in each of several searches', async () => {
    await expectSameBytes({ method: 'diffora', searchSeeds: 2, searchSteps: 3, start: 'search' }, [
      ['search 1 of 2', 2],
      ['search 2 of 2', 1],
    ]);
  });

  it.each<[SelectionName, readonly Stop[]]>([
    [
      'leave-one-out',
      [
        ['joint run', 2],
        ['ablations', 3],
      ],
    ],
    ['output-norm', [['joint run', 4]]],
    ['gradient-norm', [['train', 2]]],
    ['gram', [['Gram matrices', 2]]],
    ['layer-gradient-norm', [['gradients', 2]]],
    ['page', [['gradients', 2]]],
    ['fisher', [['train', 2]]],
    ['plop', [['features', 2]]],
  ])('in the selection %s', async (select, stops) => {
    await expectSameBytes({ method: 'lora', select, start: select === 'leave-one-out' ? 'search' : 'fresh' }, stops);
  });

  it.each([
    { accumulate: 3, classWeights: 'balanced' },
    { loraDropout: 0.2, schedule: 'cosine', bias: 'lora_only' },
    { maxSteps: 7, share: 'column', method: 'diffora' },
    { validationShare: 0.25 },
  ] as const)('with %o', async (settings) => {
    await expectSameBytes({ method: 'lora', ...settings }, [['train', 6]]);
  });
});
