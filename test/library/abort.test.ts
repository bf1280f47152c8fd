import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  generateText,
  type LoadedModel,
  loadModel,
  mergeAdapter,
  type ProgressOptions,
  selectModules,
  type Task,
  type TrainSettings,
  taskFromExamples,
  train,
  trainToFolder,
} from '../../src/index.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { letterModel, temporaryFolder, tinyModel, writeReviews } from '../cli/run.js';
import { type Stop, stopwatch } from '../jobs/resumed.js';
import { quick, quickSearch, quickTraining, reviews } from './reviews.js';
import { countSessions } from './sessions.js';

const sessions = countSessions();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let model: LoadedModel;
let task: Task;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
  model = await loadModel(tinyModel);
  task = taskFromExamples(reviews);
});
afterAll(() => folder.remove());

/** Work that is aborted when a phase has come so far: it tells of nothing more and ends with the signal's reason. */
async function aborted(stop: Stop, work: (options: Required<ProgressOptions>) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const reason = new Error('stopped');
  let after = 0;
  const { phase, ...rest } = stopwatch(stop, () => controller.abort(reason));
  const counted: typeof phase = (...named) => {
    if (controller.signal.aborted) after++;
    const one = phase(...named);
    return {
      ...one,
      update: (...args) => {
        if (controller.signal.aborted) after++;
        one.update(...args);
      },
    };
  };
  const { opened } = sessions;
  await expect(work({ reporter: { ...rest, phase: counted }, signal: controller.signal })).rejects.toBe(reason);
  expect(after).toBe(0);
  expect(sessions.opened).toBeGreaterThan(opened);
  expect(sessions.open).toBe(0);
}

const places: readonly (readonly [what: string, stop: Stop, settings: TrainSettings])[] = [
  ['a search', ['search', 2], { searchSteps: 5 }],
  ['a search of the second order', ['search', 2], { searchOrder: 'second', searchSteps: 5 }],
  ['a joint run', ['joint run', 2], { method: 'lora', select: 'leave-one-out', searchSteps: 5 }],
  ['leaving modules out', ['ablations', 2], { method: 'lora', select: 'leave-one-out', searchSteps: 2 }],
  ['gradient norms', ['gradients', 1], { method: 'lora', select: 'gradient-norm' }],
  ['gradient energies', ['gradients', 2], { method: 'lora', select: 'fisher' }],
  ['features', ['features', 2], { method: 'lora', select: 'plop' }],
  ['Gram matrices', ['Gram matrices', 2], { method: 'lora', select: 'gram' }],
  ['output norms', ['outputs', 1], { method: 'lora', select: 'output-norm', searchSteps: 2 }],
  ['training', ['train', 3], { method: 'lora' }],
  ['training in parts of a batch', ['train', 3], { method: 'adalora', accumulate: 2 }],
  ['an evaluation while training', ['train', 2], { method: 'lora', evalSteps: 2 }],
  ['the evaluation at the end', ['evaluate', 32], { method: 'lora' }],
];

/** More than one batch of 32 to score. */
const scored = Array.from({ length: 3 }, () => reviews).flat();

describe('an abort', () => {
  it.each(places)('ends %s within a step, its sessions released', async (_, stop, settings) => {
    const large = taskFromExamples(reviews, { dev: scored });
    await aborted(stop, (options) => train(model, large, { ...quickTraining, ...settings }, options));
  });

  it('ends a selection, a prediction and a scoring', async () => {
    await aborted(['search', 1], (options) => selectModules(model, task, quickSearch, options));
    const adapter = await train(model, task, { ...quickTraining, method: 'lora' });
    const texts = scored.map(({ text }) => String(text));
    const controller = new AbortController();
    const reporter = stopwatch(['predict', 32], () => controller.abort(new Error('stopped')));
    const { signal } = controller;
    await expect(adapter.predict(texts, { reporter, signal })).rejects.toThrow('stopped');
    const large = taskFromExamples(scored, { dev: scored });
    await expect(adapter.evaluate(large, { signal })).rejects.toThrow('stopped');
    // What was stopped has harmed nothing.
    expect(await adapter.predict(texts.slice(0, 2))).toHaveLength(2);
    await adapter.close();
    expect(sessions.open).toBe(0);
  });

  it('leaves no file of a run or of a merge', async () => {
    const columns = { textColumn: 'review', labelColumn: 'stars' };
    const config = parseTrainConfig(
      { ...quick, ...columns, model: tinyModel, task: folder.path('reviews.csv') },
      'test',
    );
    await aborted(['train', 2], (options) => trainToFolder({ config, output: folder.path('run'), ...options }));
    expect(await readdir(folder.path('.'))).toEqual(['reviews.csv']);
    await trainToFolder({ config, output: folder.path('run') });
    const controller = new AbortController();
    const { signal } = controller;
    const merging = mergeAdapter({ adapter: folder.path('run'), output: folder.path('merged'), signal });
    // While it waits for the first of the files that it reads.
    setImmediate(() => controller.abort(new Error('stopped')));
    await expect(merging).rejects.toThrow('stopped');
    expect((await readdir(folder.path('.'))).sort()).toEqual(['reviews.csv', 'run']);
  });

  it('ends a generation after the token that it comes with', async () => {
    const causal = await letterModel('gpt2', folder.path('gpt2'));
    const controller = new AbortController();
    const pieces: string[] = [];
    const onText = (piece: string) => {
      pieces.push(piece);
      controller.abort(new Error('stopped'));
    };
    const sampling = { temperature: 0, maxNewTokens: 9, seed: 1, threads: 1 };
    const prompts = ['a b', 'c d'];
    const { signal } = controller;
    await expect(generateText({ model: causal, prompts, ...sampling, onText, signal })).rejects.toThrow('stopped');
    expect(pieces).toHaveLength(1);
    expect(sessions.open).toBe(0);
  });
});
