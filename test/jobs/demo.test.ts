import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRunFile } from '../../src/artifacts/runFile.js';
import { runDemo } from '../../src/jobs/demo.js';
import { silent } from '../../src/reporter.js';
import { reviewsFolder, tinyModel } from '../cli/run.js';

let made: Awaited<ReturnType<typeof reviewsFolder>>;
beforeAll(async () => {
  made = await reviewsFolder();
});
afterAll(() => made.folder.remove());

const demo = (output: string, change: Partial<Parameters<typeof runDemo>[0]> = {}) =>
  runDemo({
    output: made.folder.path(output),
    seed: 5,
    threads: 1,
    reporter: silent,
    settings: {
      model: tinyModel,
      task: made.task,
      textColumn: 'review',
      labelColumn: 'stars',
      epochs: 1,
      batchSize: 8,
      maxLength: 16,
      maxTrainSamples: 16,
      rank: 2,
    },
    ...change,
  });
const names = () => readdir(made.folder.path('.'));

describe('the demo', () => {
  it('measures a third of the modules and all of them with three seeds, and keeps the first run', async () => {
    const lines: string[] = [];
    const reporter = { ...silent, info: (line: string) => lines.push(line) };
    const { runs, examples, dam } = await demo('demo', { reporter });
    // The model has three layers of six modules; a third of a row are two.
    expect(runs.map(({ method, seed, modules }) => [method, seed, modules])).toEqual([
      ['DiffoRA', 5, 6],
      ['DiffoRA', 6, 6],
      ['DiffoRA', 7, 6],
      ['LoRA on all', 5, 18],
      ['LoRA on all', 6, 18],
      ['LoRA on all', 7, 18],
    ]);
    expect(runs.map(({ seconds }) => seconds.search > 0)).toEqual([true, true, true, false, false, false]);
    const [diffora, lora] = [runs[0]!, runs[3]!];
    expect(diffora.parameters).toBeLessThan(lora.parameters);
    expect(diffora.adapterBytes).toBeLessThan(lora.adapterBytes);
    expect(examples).toEqual({ train: 16, dev: 4 });
    const kept = made.folder.path('demo');
    expect((await readdir(kept)).sort()).toEqual([
      'adapter',
      'dam.json',
      'metrics.jsonl',
      'progress.jsonl',
      'run.json',
    ]);
    const { config, scores } = await readRunFile(kept);
    expect(config).toMatchObject({ method: 'diffora', seed: 5, keep: 0.33 });
    expect(scores!.dev).toEqual(diffora.scores);
    expect(dam.gamma.flat().filter((one) => one === 1)).toHaveLength(6);
    // What six runs say alike is told once.
    expect(lines.filter((line) => line.startsWith('Examples of reviews'))).toHaveLength(1);
  });

  it('names the run that fails, and leaves nothing', async () => {
    const before = await names();
    const settings = { model: tinyModel, task: made.task, textColumn: 'review', labelColumn: 'stars', maxLength: 5000 };
    await expect(demo('failed', { settings })).rejects.toThrow('DiffoRA, seed 5: ');
    expect(await names()).toEqual(before);
  });

  it('ends its run with the signal, and leaves nothing', async () => {
    const before = await names();
    const stop = new AbortController();
    const phase = () => ({ update: () => void setTimeout(() => stop.abort(new Error('enough')), 300), end: () => {} });
    await expect(demo('stopped', { signal: stop.signal, reporter: { ...silent, phase } })).rejects.toThrow('enough');
    expect(await names()).toEqual(before);
  });
});
