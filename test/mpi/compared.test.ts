import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import type { WorkerOutcome } from '../../src/jobs/compare/process.js';
import { endPlaces, placesOf, workForFirst } from '../../src/jobs/compare/ranks.js';
import { temporaryFolder, tinyModel, writeReviews } from '../cli/run.js';
import { startDiffora } from '../cli/started.js';
import { launchers } from './launchers.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
  const comparison = {
    models: [tinyModel],
    tasks: [{ task: folder.path('reviews.csv'), textColumn: 'review', labelColumn: 'stars' }],
    budget: 4100,
    seeds: [1],
    learningRates: [1e-3],
    methods: [{ name: 'head only', method: 'head' }, { method: 'lora' }, { name: 'DoRA', method: 'dora' }],
    settings: { epochs: 1, batchSize: 8, maxLength: 16 },
  };
  await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison));
});
afterAll(() => folder.remove());

const arguments_ = (output: string, ...more: readonly string[]) => [
  ...['compare', folder.path('compare.yaml'), '--output', folder.path(output), '--threads', '1', ...more],
];

/** The runs, without what depends on the clock. */
async function runsOf(output: string) {
  const text = await readFile(folder.path(output, 'results.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => ({
      ...JSON.parse(line),
      seconds: undefined,
      peakMemoryBytes: undefined,
      code: undefined,
      key: undefined,
    }));
}

it('shards of one folder are together what one process does, and the tables come by --report-only', async () => {
  const whole = await startDiffora(...arguments_('whole')).ended;
  expect(whole.code, whole.stderr).toBe(0);
  for (const shard of ['1/2', '2/2']) {
    const { code, stdout, stderr } = await startDiffora(...arguments_('shards', '--shard', shard)).ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(
      `${shard.replace('/', ' of ')}; with --report-only in its place the tables of all are written`,
    );
  }
  expect((await readdir(folder.path('shards'))).sort()).toEqual([
    'records-1-of-2.jsonl',
    'records-2-of-2.jsonl',
    'runs',
  ]);
  const { code, stdout } = await startDiffora(...arguments_('shards', '--report-only')).ended;
  expect([code, stdout]).toEqual([0, expect.stringContaining('3 done, 0 failed, 0 missing')]);
  expect(await runsOf('shards')).toEqual(await runsOf('whole'));
  expect(await startDiffora(...arguments_('shards', '--shard', '3/2')).ended).toMatchObject({
    ...{ code: 2, stderr: expect.stringContaining('--shard 3/2: it takes a number of a shard and how many there are') },
  });
});

describe.each(launchers)('$name', (launcher) => {
  it.skipIf(!launcher.isThere)(
    'the first of three ranks hands out, and the tables are those of one process',
    async () => {
      const output = `ranks ${launcher.name}`;
      const { code, stdout, stderr } = await launcher.start(3, ...arguments_(output)).ended;
      expect(code, stderr).toBe(0);
      expect(stdout).toContain('3 done, 0 failed, 0 missing');
      expect(await runsOf(output)).toEqual(await runsOf('whole'));
    },
  );
});

describe('ranks that do what they are handed', () => {
  /** Two ranks whose messages lie in memory. */
  function talking() {
    const boxes = new Map<string, Uint8Array[]>();
    const gone: number[] = [];
    const box = (from: number, to: number) => {
      const key = `${from} to ${to}`;
      if (!boxes.has(key)) boxes.set(key, []);
      return boxes.get(key)!;
    };
    const ranks = [0, 1].map((rank) => ({
      rank,
      size: 2,
      post: {
        send: async (to: number, bytes: Uint8Array) => void box(rank, to).push(bytes),
        received: async (from: number) => box(from, rank).shift(),
      },
      ended: () => gone,
      nameOf: (of: number) => `Rank ${of}`,
    }));
    return { first: ranks[0]!, second: ranks[1]!, gone };
  }
  const job = { config: { run: { threads: 8 } } } as never;
  const done: WorkerOutcome = { status: 'done', result: {} };

  it('tell how far they are, with threads of their own, until there is no more', async () => {
    const { first, second } = talking();
    const threads: unknown[] = [];
    const working = workForFirst(second, {
      threads: 3,
      run: async ({ config }, { onProgress }) => {
        threads.push(config.run.threads);
        onProgress?.({ phase: 'train', done: 1, total: 2 });
        return done;
      },
    });
    const told: unknown[] = [];
    const [place] = placesOf(first);
    expect(await place!.run(job, { onProgress: (one) => told.push(one) })).toEqual(done);
    await endPlaces(first);
    await working;
    expect([threads, told]).toEqual([[3], [{ phase: 'train', done: 1, total: 2 }]]);
  });

  it('take only their run with them where they end, and are handed no more', async () => {
    const { first, gone } = talking();
    const [place] = placesOf(first);
    const running = place!.run(job, {});
    gone.push(1);
    expect(await running).toEqual({ status: 'failed', error: 'Rank 1 has ended, and its run with it.' });
    expect(place!.isGone()).toBe(true);
  });

  it('fail as the first has failed, and where the first is gone', async () => {
    const { first, second, gone } = talking();
    const working = workForFirst(second, { threads: 1 });
    await endPlaces(first, new DiffoError('The disk is full.'));
    await expect(working).rejects.toThrow('The disk is full.');
    gone.push(0);
    await expect(workForFirst(second, { threads: 1 })).rejects.toThrow('Rank 0 has ended');
  });
});
