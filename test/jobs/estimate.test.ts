import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { estimateIn, refuseTooLarge } from '../../src/jobs/estimate.js';
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

describe('a run that does not fit', () => {
  it('is refused with the batch size that would', async () => {
    const { config, workspace, bytesOf } = await open({ method: 'lora' });
    // Half a batch does not fit, a quarter does.
    const free = (bytesOf(256) + bytesOf(512)) / 2;
    expect(free).toBeLessThan(0.8 * bytesOf(1024));
    expect(() => refuseTooLarge(workspace, config, free)).toThrow(
      '--batch-size 256 would fit (or --accumulate 4, for the same steps).',
    );
  });

  it('is not refused where the estimate could be wrong', async () => {
    const { config, workspace, bytesOf } = await open({ method: 'lora' });
    refuseTooLarge(workspace, config, 0.81 * bytesOf(1024));
    expect(() => refuseTooLarge(workspace, config, 0.79 * bytesOf(1024))).toThrow('This run takes about');
  });

  it('is not told to cut batches of a search into parts, which takes them whole', async () => {
    const { config, workspace, bytesOf } = await open({ method: 'diffora' });
    const free = (bytesOf(256) + bytesOf(512)) / 2;
    expect(() => refuseTooLarge(workspace, config, free)).toThrow('--batch-size 256 would fit.');
  });

  it('is told what else there is where no batch fits', async () => {
    const { config, workspace } = await open({ method: 'lora' });
    expect(() => refuseTooLarge(workspace, config, 1e6)).toThrow(
      '0.00100 GB are free. Take shorter sequences (--max-length), --gradient-checkpointing or a smaller model.',
    );
  });
});
