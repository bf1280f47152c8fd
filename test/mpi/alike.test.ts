import { describe, expect, it } from 'vitest';
import type { Identity } from '../../src/artifacts/checkpoints/format.js';
import { checkpointFromFirst } from '../../src/artifacts/checkpoints/fromFirst.js';
import type { Checkpoint } from '../../src/artifacts/checkpoints/read.js';
import { agreedSignal } from '../../src/jobs/agreed.js';
import { refuseApart, refuseOthers } from '../../src/jobs/alike.js';
import type { Ranks } from '../../src/mpi/ranks.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { onRanks } from './pretended.js';

/** What every rank throws. */
const thrown = (size: number, work: (ranks: Ranks) => Promise<unknown>) =>
  onRanks(size, (ranks) =>
    work(ranks).then(
      () => 'nothing',
      (error: Error) => error.message,
    ),
  );

describe('ranks are held to the first', () => {
  const config = (change: object = {}) => parseTrainConfig({ task: 'cola', ...change }, 'test');
  const identity = (model: string, source = '/models/a'): Identity => ({
    train: { source: 'train.tsv', sha256: 'a'.repeat(64) },
    model: { source, sha256: model.repeat(64) },
  });

  it('by settings, but for those of a machine', async () => {
    const found = await thrown(3, ({ rank, ...rest }) =>
      refuseOthers(
        { rank, ...rest },
        config(rank === 2 ? { lr: 0.5 } : { lr: 0.25, threads: 1 + rank }),
        identity('b'),
      ),
    );
    expect(found).toEqual(
      Array.from({ length: 3 }, () => 'On rank 2 lr is 0.5, on rank 0 0.25. Give all ranks the same settings.'),
    );
    expect(
      await thrown(2, (ranks) =>
        refuseOthers(ranks, config({ threads: 1 + ranks.rank, dataDir: `at ${ranks.rank}` }), identity('b')),
      ),
    ).toEqual(['nothing', 'nothing']);
  });

  it('by their devices, but for the numbers of cards', async () => {
    const found = (...devices: readonly string[]) =>
      thrown(2, (ranks) => refuseOthers(ranks, config({ device: devices[ranks.rank] }), identity('b')));
    expect(await found('cuda', 'cuda:1')).toEqual(['nothing', 'nothing']);
    expect((await found('cuda', 'cpu'))[0]).toMatch(/^On rank 1 device is "cpu", on rank 0 "cuda"\./);
  });

  it('by what they read, the place aside', async () => {
    const places = await thrown(2, (ranks) => refuseOthers(ranks, config(), identity('b', `/models/${ranks.rank}`)));
    expect(places).toEqual(['nothing', 'nothing']);
    const weights = await thrown(2, (ranks) => refuseOthers(ranks, undefined, identity(ranks.rank === 0 ? 'b' : 'c')));
    expect(new Set(weights)).toEqual(
      new Set([
        'Rank 1 has other weights or another config.json in /models/a than rank 0. Put the same file on all machines.',
      ]),
    );
  });

  it('by every bit of what they train', async () => {
    const values = (rank: number) => Float32Array.of(1, rank === 1 ? -0 : 0, 2);
    const found = await thrown(2, (ranks) =>
      refuseApart(ranks, [{ name: 'A', values: values(ranks.rank) }], 'after training'),
    );
    expect(found[0]).toMatch(/^A has other values on rank 1 than on rank 0 after training\./);
    expect(found[1]).toBe(found[0]);
  });
});

it('a signal that one rank is given is given to all, once they have agreed, and not before', async () => {
  const found = await onRanks(3, async (ranks) => {
    const own = new AbortController();
    const { signal, agree } = agreedSignal(ranks, own.signal);
    const seen = [signal.aborted];
    await agree();
    seen.push(signal.aborted);
    if (ranks.rank === 1) own.abort(new Error('stop'));
    seen.push(signal.aborted);
    await agree();
    seen.push(signal.aborted);
    // Who has agreed asks no more.
    await agree();
    return seen;
  });
  expect(found).toEqual(Array.from({ length: 3 }, () => [false, false, false, true]));
});

it('a checkpoint that the first rank alone can read is gone on from by all', async () => {
  const arrays = { 'weights/A': Float32Array.of(1.5, -2, 1e-30), 'weights/empty': new Float32Array() };
  const saved = {
    path: 'run/checkpoints/step-3',
    manifest: { format: 'diffora-checkpoint/2', step: 3, ranks: 2 },
    stages: new Map([['train', { step: 3, last: false, state: { arrays, values: { steps: 3, third: 1 / 3 } } }]]),
  } as unknown as Checkpoint;
  const found = await onRanks(3, (ranks) =>
    checkpointFromFirst(ranks, () =>
      ranks.rank === 0 ? Promise.resolve(saved) : Promise.reject(new Error('not here')),
    ),
  );
  for (const one of found) expect(one).toEqual(saved);
  expect(await onRanks(2, (ranks) => checkpointFromFirst(ranks, async () => undefined))).toEqual([
    undefined,
    undefined,
  ]);
});
