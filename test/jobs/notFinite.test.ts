import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { checkpointsOf } from '../../src/artifacts/checkpoints/format.js';
import { newestCheckpoint } from '../../src/artifacts/checkpoints/read.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { sequenceLikelihoods } from '../../src/infer/likelihood.js';
import { train } from '../../src/jobs/train.js';
import { openModel } from '../../src/models/registry.js';
import { silent } from '../../src/reporter.js';
import type { TrainConfigInput } from '../../src/settings/config.js';
import { diffora, letterModel, quickRun, temporaryFolder, writeReviews } from '../cli/run.js';
import { changedModel, modelWithInfinity, rareWord } from '../models/brokenModel.js';
import { nightly } from '../nightly.js';
import { bytesOf, quickConfig, type Stop, trainInParts } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let model: string;
let task: string;
/** 36 rows to learn from, of which two have the word whose embedding is infinite, and four to score. */
beforeAll(async () => {
  folder = await temporaryFolder();
  model = await modelWithInfinity(folder.path('model'));
  const rows = (count: number, change: (i: number) => string) =>
    Array.from(
      { length: count },
      (_, i) => `the cat sat on the mat ${i} ${change(i)},${i % 2 === 0 ? 'good' : 'bad'}\n`,
    );
  const header = 'review,stars\n';
  await writeFile(folder.path('train.csv'), header + rows(36, (i) => (i === 10 || i === 11 ? rareWord : '')).join(''));
  await writeFile(folder.path('dev.csv'), header + rows(4, () => '').join(''));
  task = folder.path('task.yaml');
  await writeFile(task, 'train: train.csv\ndev: dev.csv\ncolumns: { text: review, label: stars }\n');
});
afterAll(() => folder.remove());

const configOf = (settings: Partial<TrainConfigInput>) =>
  quickConfig(task, { model, textColumn: undefined, labelColumn: undefined, ...settings });

const metricsOf = async (output: string): Promise<Record<string, unknown>[]> =>
  (await readFile(join(output, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** At night after each step. */
const everyStep = (nightly ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [2, 5, 8]).map((i): Stop => ['train', i]);
const everySearchStep = (nightly ? [1, 2, 3, 4] : [2, 3]).map((i): Stop => ['search', i]);

describe('a run of which some steps are not finite', () => {
  it.each<[string, Partial<TrainConfigInput>, readonly Stop[]]>([
    ['LoRA', { method: 'lora', dropout: 0.1 }, everyStep],
    [
      'accumulation',
      { method: 'lora', accumulate: 4 },
      [
        ['train', 2],
        ['train', 6],
      ],
    ],
    [
      'AdaLoRA',
      { method: 'adalora', adaloraInitRank: 4, adaloraTinit: 1, adaloraTfinal: 3, adaloraDeltaT: 1 },
      everyStep,
    ],
    ['a search', { method: 'diffora', damInit: 'zero', start: 'search' }, everySearchStep],
    ['a search of second order', { method: 'diffora', damInit: 'zero', searchOrder: 'second' }, everySearchStep],
  ])('leaves them out, says so, and gives the same bytes after breaks (%s)', async (name, settings, stops) => {
    const [whole, parts] = [folder.path(`${name} whole`), folder.path(`${name} parts`)];
    const warnings: string[] = [];
    const reporter = { ...silent, warn: (message: string) => void warnings.push(message) };
    const { record } = await train({ config: configOf(settings), output: whole, reporter });
    await trainInParts(configOf({ ...settings, saveSteps: 1 }), parts, stops);
    expect(await bytesOf(parts)).toEqual(await bytesOf(whole));
    const lines = await metricsOf(whole);
    const skipped = lines.filter((line) => line.skipped === true);
    expect(skipped.length).toBeGreaterThan(1);
    expect(record.steps.skipped).toBe(skipped.length);
    const ofTraining = skipped.filter(({ phase }) => phase === 'train');
    expect(warnings).toContain(
      `${ofTraining.length} of 10 steps of the training were left out: loss or gradient was not finite.`,
    );
    if (settings.method === 'diffora') expect(skipped.some(({ phase }) => phase === 'search')).toBe(true);
  });

  it('leaves them out of a joint run too, where what modules are judged by is finite', async () => {
    // With this seed both rows are in the half that the joint run learns on.
    const settings = { method: 'lora', select: 'leave-one-out', searchSteps: 6, seed: 6 } as const;
    const [whole, parts] = [folder.path('joint whole'), folder.path('joint parts')];
    const warnings: string[] = [];
    const reporter = { ...silent, warn: (message: string) => void warnings.push(message) };
    await train({ config: configOf(settings), output: whole, reporter });
    expect(warnings).toContain('2 of 6 steps of the joint run were left out: loss or gradient was not finite.');
    const stops = [1, 2, 3, 4, 5].map((i): Stop => ['joint run', i]);
    await trainInParts(configOf({ ...settings, saveSteps: 1 }), parts, stops);
    expect(await bytesOf(parts)).toEqual(await bytesOf(whole));
  });

  it('chooses no modules by what is not finite, and says so', async () => {
    const config = configOf({ method: 'lora', select: 'leave-one-out', searchSteps: 6, seed: 1 });
    await expect(train({ config, output: folder.path('judged'), reporter: silent })).rejects.toThrow(
      '--select leave-one-out measures values that are not finite, and chooses nothing by them.',
    );
  });

  it('counts what was left out before a break: the limit is one of the run, and may be raised on resuming', async () => {
    const output = folder.path('limited');
    const config = configOf({ method: 'lora', saveSteps: 1, maxSkippedSteps: 1 });
    const options = { output, reporter: silent };
    const first = await train({ ...options, config }).catch((error: Error) => error.message);
    expect(first).toMatch(/1 steps have been left out already .* The last finite state is kept in .*step-\d+\.$/);
    expect(await train({ ...options, config, resume: true }).catch((error: Error) => error.message)).toBe(first);
    const { record } = await train({
      ...options,
      config: configOf({ method: 'lora', saveSteps: 1, maxSkippedSteps: 9 }),
      resume: true,
    });
    expect(record.steps.skipped).toBeGreaterThan(1);
    await train({ config: configOf({ method: 'lora' }), output: folder.path('unlimited'), reporter: silent });
    expect(await bytesOf(output)).toEqual(await bytesOf(folder.path('unlimited')));
  });

  it.each([
    ['--select', 'gradient-norm'],
    ['--select', 'gram'],
    ['--select', 'fisher'],
    ['--select', 'plop'],
    ['--dam-init', 'gradient-norm'],
  ])('is refused where modules are chosen by what is not finite (%s %s)', async (flag, value) => {
    const all = folder.path('all.yaml');
    await writeFile(
      folder.path('all.csv'),
      `review,stars\n${Array.from({ length: 36 }, (_, i) => `${rareWord} ${i},${i % 2 === 0 ? 'good' : 'bad'}\n`).join('')}`,
    );
    await writeFile(all, 'train: all.csv\ndev: dev.csv\ncolumns: { text: review, label: stars }\n');
    const output = folder.path('never');
    const flags = ['--model', model, '--task', all, flag, value, '--max-length', '16', '--threads', '1'];
    const { code, stderr } = await diffora('select', ...flags, '--output', output);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('not finite') });
    expect(await readdir(folder.path('.'))).not.toContain('never');
  });

  it('gets no score where an output is not finite, and makes no prediction', async () => {
    const output = folder.path('scored');
    await train({ config: configOf({ method: 'lora' }), output, reporter: silent });
    const scored = await diffora(
      'eval',
      '--adapter',
      output,
      '--task',
      folder.path('train.csv'),
      '--text-column',
      'review',
      '--label-column',
      'stars',
    );
    expect(scored).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('gives NaN for example 11') });
    const text = await diffora('predict', '--adapter', output, '--text', rareWord);
    expect(text).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('gives NaN for example 1') });
  });
});

describe('a causal model whose outputs are not finite', () => {
  it('writes no text and gives no likelihood', async () => {
    const whole = await letterModel('llama', folder.path('llama'));
    const broken = await changedModel(
      folder.path('broken-llama'),
      'model.norm.weight',
      (values) => void values.fill(Number.NaN),
      whole,
    );
    const texts = (of: string) =>
      diffora('generate', '--model', of, '--prompt', 'a b', '--max-new-tokens', '2', '--threads', '1');
    expect((await texts(whole)).code).toBe(0);
    const refused = await texts(broken);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('cannot say which token follows: logits holds NaN at position 0');
    const causal = openModel(await openCheckpoint(broken), { taskType: 'CAUSAL_LM', numLabels: 0 });
    const sequences = [{ ids: [5, 6, 7], from: 1 }];
    await expect(
      sequenceLikelihoods(causal, { plan: noAdapters, parameters: [] }, sequences, { threads: 1 }),
    ).rejects.toThrow('The model gives NaN for example 1');
  });
});

describe('a rate far too high', () => {
  const reviews = () => folder.path('reviews.csv');
  beforeAll(() => writeReviews(reviews()));

  it.each([
    ['lora', '1e30'],
    ['full', '1e30'],
    ['adalora', '1e36'],
    ['lora', '1e39'],
    ['diffora', '1e38'],
  ])(
    'ends %s at %s with what to try; what is saved is finite, and resumed it ends the same way',
    async (method, lr) => {
      const output = folder.path(`${method} ${lr}`);
      const flags = [...quickRun(reviews(), '--method', method), '--lr', lr, '--save-steps', '1', '--epochs', '4'];
      const { code, stderr, stdout } = await diffora('train', ...flags, '--output', output);
      expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/diverged/);
      expect(stderr).toContain('Lower --lr or --max-grad-norm, or check the data');
      expect(await readdir(output)).toEqual(['checkpoints']);
      const { path, stages } = (await newestCheckpoint(checkpointsOf(output), (message) => expect.fail(message)))!;
      for (const [, { state }] of stages) {
        for (const [name, values] of Object.entries(state.arrays))
          expect(values.every(Number.isFinite), name).toBe(true);
      }
      if (stages.size > 0) expect(stderr).toContain(`The last finite state is kept in ${path}.`);
      const again = await diffora('train', '--resume', '--output', output);
      expect(again.code).toBe(1);
      expect(again.stderr.trimEnd().split('\n').at(-1)).toBe(stderr.trimEnd().split('\n').at(-1));
    },
  );
});
