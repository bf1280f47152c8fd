import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Example } from '../../src/data/types.js';
import { parameter } from '../../src/engine/parameters.js';
import { train } from '../../src/jobs/train.js';
import { trainIn } from '../../src/jobs/trainedRun.js';
import { trainingWatch } from '../../src/jobs/watch.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { silent } from '../../src/reporter.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { scorerOf } from '../../src/tasks/splits.js';
import { reviewsFolder, type temporaryFolder } from '../cli/run.js';
import { bytesOf, quickConfig, type Stop, trainInParts } from './resumed.js';

/** Steps through given scores; the parameter holds the number of the step. */
async function watched(
  scores: readonly number[],
  {
    every = 1,
    metric = 'accuracy' as const,
    ...options
  }: { every?: number; metric?: 'accuracy'; patience?: number; keepBest?: boolean } & Record<string, unknown>,
) {
  const one = parameter('w', [1], new Float32Array(1));
  let asked = 0;
  const watch = trainingWatch([one], scores.length * every, {
    every,
    metric,
    keepBest: true,
    score: async () => ({ [metric]: scores[asked++]! }),
    onScores: () => {},
    ...options,
  });
  let steps = 0;
  do one.values[0] = ++steps;
  while (!(await watch.after(steps)) && steps < scores.length * every);
  const best = watch.takeBest();
  return { steps, asked, best, value: one.values[0] };
}

describe('evaluations while training goes on', () => {
  it('keep the values of the best one, the first of several', async () => {
    expect(await watched([0.1, 0.3, 0.3, 0.2], {})).toEqual({ steps: 4, asked: 4, best: 1, value: 2 });
  });

  it('stop after so many that are no better', async () => {
    expect(await watched([0.1, 0.3, 0.2, 0.3, 0.9], { patience: 2 })).toMatchObject({ steps: 4, best: 1, value: 2 });
    expect(await watched([0.1, 0.3, 0.2, 0.4, 0.3], { patience: 2 })).toMatchObject({ steps: 5, best: 3, value: 4 });
  });

  it('take a lower perplexity or loss for better, and anything for better than an undefined score', async () => {
    expect(await watched([9, 4, 5], { metric: 'perplexity' as 'accuracy' })).toMatchObject({ best: 1 });
    expect(await watched([9, 4, 5, 6, 3], { metric: 'loss' as 'accuracy', patience: 2 })).toMatchObject({
      best: 1,
      steps: 4,
    });
    expect(await watched([Number.NaN, -0.5, Number.NaN], {})).toMatchObject({ best: 1 });
  });

  it('come every so many steps, and leave the last values where the best are not asked for', async () => {
    expect(await watched([0.9, 0.1], { every: 3, keepBest: false })).toEqual({
      steps: 6,
      asked: 2,
      best: undefined,
      value: 6,
    });
  });

  it('go on from their state: the best, its values and how long it has been', async () => {
    const one = parameter('w', [1], new Float32Array(1));
    const scores = [0.3, 0.2, 0.1];
    const make = () =>
      trainingWatch([one], 9, {
        every: 1,
        metric: 'accuracy',
        keepBest: true,
        patience: 2,
        score: async () => ({ accuracy: scores.shift()! }),
        onScores: () => {},
      });
    const first = make();
    one.values[0] = 1;
    expect(await first.after(1)).toBe(false);
    one.values[0] = 2;
    expect(await first.after(2)).toBe(false);
    const saved = JSON.parse(JSON.stringify(first.state().values));
    const second = make();
    second.restore({ arrays: first.state().arrays, values: saved });
    // The evaluation of the step that the state is of is not repeated.
    expect(await second.after(2)).toBe(false);
    expect(await second.after(3)).toBe(true);
    expect(second.lines.map(({ step }) => step)).toEqual([0, 1, 2]);
    expect(second.takeBest()).toBe(0);
    expect(one.values[0]).toBe(1);
  });

  it.each([{ earlyStopping: 2 }, { keepBest: true }])('are needed for %o', (settings) => {
    expect(() => parseTrainConfig({ task: 'cola', ...settings }, 'flags')).toThrow('Give evalSteps');
  });
});

describe('a run with evaluations', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let task: string;
  beforeAll(async () => {
    ({ folder, task } = await reviewsFolder());
  });
  afterAll(() => folder.remove());

  const linesOf = async (output: string) =>
    (await readFile(join(output, 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  /** A rate so high that scores rise and fall. */
  const settings = {
    method: 'lora',
    dropout: 0.1,
    lr: 0.05,
    evalSteps: 4,
    validationShare: 0.4,
  } as const satisfies Partial<TrainConfigInput>;

  it('has them in metrics.jsonl, does not train otherwise for them, and writes the best adapter', async () => {
    const run = (name: string, change: Partial<TrainConfigInput>) =>
      train({ config: quickConfig(task, { ...settings, ...change }), output: folder.path(name), reporter: silent });
    const { evalSteps: _, ...without } = settings;
    const plain = await train({ config: quickConfig(task, without), output: folder.path('plain'), reporter: silent });
    const last = await run('last', { keepBest: false });
    const best = await run('best', {});
    const trained = (await linesOf(folder.path('last'))).filter(({ phase }) => phase === 'train');
    expect(trained).toEqual(await linesOf(folder.path('plain')));
    expect(last.record.adapter).toEqual(plain.record.adapter);
    const evaluations = (await linesOf(folder.path('best'))).filter(({ phase }) => phase === 'evaluate');
    expect(evaluations.map(({ step }) => step)).toEqual([3, 5]);
    // The task's first metric decides, and the scores of the run are those of the evaluation that was best.
    const metric = Object.keys(best.record.scores!.dev)[0]!;
    const scores = evaluations.map((one) => one.scores[metric] as number);
    const highest = scores.indexOf(Math.max(...scores));
    expect(best.record.steps.best).toBe(evaluations[highest].step);
    expect(best.record.scores!.dev).toEqual(evaluations[highest].scores);
  });

  it('tokenises what it scores once, however often it does, and in whatever run', async () => {
    const config = quickConfig(task, { ...settings, evalSteps: 1 });
    const workspace = await openWorkspace(config, silent);
    const encode = vi.spyOn(workspace.opened.tokenizer, 'encodeTruncated');
    const { metrics } = await trainIn(workspace, config, { reporter: silent });
    await trainIn(workspace, config, { reporter: silent });
    expect(metrics.filter(({ phase }) => phase === 'evaluate')).toHaveLength(6);
    expect(encode).toHaveBeenCalledTimes(workspace.dev.examples.length);
  });

  it('refuses a row without a label before anything is trained', async () => {
    const config = quickConfig(task, settings);
    const workspace = await openWorkspace(config, silent);
    const [{ label: _, ...unlabelled }] = workspace.dev.examples as [Example];
    const scorer = () =>
      scorerOf(workspace.opened, workspace.task, { ...workspace.dev, examples: [unlabelled] }, workspace, silent);
    const reporter = { ...silent, phase: () => expect.unreachable('nothing is to be trained') };
    await expect(trainIn({ ...workspace, scorer }, config, { reporter })).rejects.toThrow('has no label to score by');
  });

  it.each<[string, Partial<TrainConfigInput>, readonly Stop[]]>([
    [
      'between',
      {},
      [
        ['train', 2],
        ['train', 5],
      ],
    ],
    ['at', { keepBest: false }, [['train', 4]]],
    [
      'at, with early stopping,',
      { earlyStopping: 1, evalSteps: 1, method: 'adalora', adaloraTinit: 1, adaloraTfinal: 2 },
      [
        ['train', 1],
        ['train', 2],
      ],
    ],
  ])('gives the same bytes after breaks %s evaluations', async (name, change, stops) => {
    const [whole, parts] = [folder.path(`${name}-whole`), folder.path(`${name}-parts`)];
    const config = quickConfig(task, { ...settings, ...change });
    await train({ config, output: whole, reporter: silent });
    await trainInParts(quickConfig(task, { ...settings, ...change, saveSteps: 100 }), parts, stops);
    expect(await bytesOf(parts)).toEqual(await bytesOf(whole));
  });
});
