import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { estimateIn, guardMemory } from '../../src/jobs/estimate.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { silent } from '../../src/reporter.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { temporaryFolder, tinyModel } from '../cli/run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  const rows = Array.from({ length: 1200 }, (_, i) => `${'so good '.repeat(30)},${i % 2 === 0 ? 'yes' : 'no'}\n`);
  await writeFile(folder.path('long.csv'), `text,label\n${rows.join('')}`);
});
afterAll(() => folder.remove());

async function open(change: object) {
  const settings = { task: folder.path('long.csv'), model: tinyModel, batchSize: 1024, maxLength: 64, threads: 1 };
  const config = parseTrainConfig({ ...settings, ...change }, 'test');
  const workspace = await openWorkspace(config, silent);
  const { optimisation } = config;
  const bytesOf = (batchSize: number) =>
    estimateIn(workspace, { ...config, optimisation: { ...optimisation, batchSize } }).memoryBytes;
  return { config, workspace, bytesOf };
}

/** What is said of a run on a machine with so many bytes free. */
function saidOf({ config, workspace }: Awaited<ReturnType<typeof open>>, free: number): string[] {
  const said: string[] = [];
  guardMemory(workspace, config, { warn: (message) => said.push(message) }, free);
  return said;
}

describe('a run that takes more than is free', () => {
  it('starts with a warning that says which batch size would fit', async () => {
    const run = await open({ method: 'lora' });
    // Half a batch does not fit, a quarter does.
    const free = (run.bytesOf(256) + run.bytesOf(512)) / 2;
    expect(saidOf(run, free)).toEqual([
      expect.stringMatching(
        /^This run takes about [\d.]+ GB of memory, and [\d.]+ GB are free: .* --batch-size 256 would fit \(or --accumulate 4, for the same steps\)\.$/,
      ),
    ]);
    expect(saidOf(run, run.bytesOf(1024))).toEqual([]);
  });

  it('is not told to cut batches of a search into parts, which takes them whole', async () => {
    const run = await open({ method: 'diffora' });
    const free = (run.bytesOf(256) + run.bytesOf(512)) / 2;
    expect(saidOf(run, free)[0]).toMatch(/--batch-size 256 would fit\.$/);
  });

  it('is not told to cut batches in whose loss all rows stand', async () => {
    const rows = Array.from({ length: 40 }, (_, i) =>
      JSON.stringify({ prompt: 'how are you?', completion: 'well', label: i % 2 === 0 }),
    );
    await writeFile(folder.path('judged.jsonl'), `${rows.join('\n')}\n`);
    const model = join(import.meta.dirname, '../fixtures/oracle/checkpoints/tiny.gguf');
    const change = { task: folder.path('judged.jsonl'), model, batchSize: 32, chatTemplate: 'chatml' };
    const run = await open({ method: 'lora', ...change });
    const free = (run.bytesOf(16) + run.bytesOf(8)) / 2;
    expect(saidOf(run, free)[0]).toMatch(/--batch-size 8 would fit\.$/);
  });

  it('is told what else there is where no batch fits', async () => {
    expect(saidOf(await open({ method: 'lora' }), 1e6)[0]).toContain(
      '0.00100 GB are free: the system may end it. Take shorter sequences (--max-length), --gradient-checkpointing or a smaller model.',
    );
  });

  it('starts without a word with memoryLimit none', async () => {
    expect(saidOf(await open({ method: 'lora', memoryLimit: 'none' }), 1e6)).toEqual([]);
  });
});

describe('a run with a memory limit', () => {
  it('is refused above it, however much is free, and starts below it, however little', async () => {
    const bytes = (await open({ method: 'lora' })).bytesOf(1024);
    const tight = await open({ method: 'lora', memoryLimit: (0.99 * bytes) / 1e9 });
    expect(() => saidOf(tight, 10 * bytes)).toThrow(
      /and --memory-limit allows [\d.]+ GB\. --batch-size 512 would fit \(or --accumulate 2, for the same steps\)\.$/,
    );
    expect(saidOf(await open({ method: 'lora', memoryLimit: (1.01 * bytes) / 1e9 }), 1e6)).toEqual([]);
  });
});

describe('a run that keeps what frozen layers give', () => {
  // Three layers of width 32; 1200 texts of 62 tokens.
  const upper = { method: 'lora', targets: ['layer.2.output.dense'], batchSize: 64 };

  it('takes less for a step, and what is kept where that lies in memory', async () => {
    const bytes = async (change: object) => (await open({ ...upper, ...change })).bytesOf(64);
    const [plain, disk, memory] = [
      await bytes({}),
      await bytes({ cachePrefix: 'disk' }),
      await bytes({ cachePrefix: 'memory' }),
    ];
    expect(disk).toBeLessThan(plain);
    const { workspace } = await open(upper);
    const tokens = workspace.train.encoded.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    expect(memory - disk).toBe(tokens * 32 * 4);
    expect((await bytes({ cachePrefix: 'memory', cachePrefixType: 'bfloat16' })) - disk).toBe(tokens * 32 * 2);
    expect((await bytes({ cachePrefix: 'memory', cachePrefixLimit: 0.001 })) - disk).toBe(1e6);
  });
});
