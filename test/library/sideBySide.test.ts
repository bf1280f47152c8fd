import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadModel, type Task, type TrainSettings, taskFromExamples, train } from '../../src/index.js';
import { temporaryFolder, tinyModel } from '../cli/run.js';
import { quick, quickTraining, reviews } from './reviews.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

/** Trainings that differ in what they keep between steps: searches, dropout, moments, ranks, evaluations, batches in parts. */
const trainings: Readonly<Record<string, TrainSettings>> = {
  diffora: { searchSteps: 5, dropout: 0.1, seed: 1 },
  'diffora, another seed': { searchSteps: 5, dropout: 0.1, seed: 2, searchOrder: 'second', relax: 'gumbel' },
  adalora: { method: 'adalora', adaloraTinit: 2, adaloraDeltaT: 2, accumulate: 2 },
  dora: { method: 'dora', evalSteps: 2, dropout: 'model' },
  pissa: { method: 'pissa', select: 'gradient-norm', gradientCheckpointing: true, loraDropout: 0.2 },
};

/** Adapter, steps, matrix, scores and a prediction of a training, as text; another model and task object for each. */
async function outcome(name: string, run: string): Promise<string> {
  const task: Task = taskFromExamples(reviews);
  const adapter = await train(await loadModel(tinyModel), task, { ...quickTraining, ...trainings[name] });
  const at = folder.path(`${run} ${name}`);
  await adapter.save(at);
  const { metrics, dam, scores } = adapter;
  const predictions = await adapter.predict(['no', 'the mat']);
  await adapter.close();
  const weights = await readFile(`${at}/adapter_model.safetensors`, 'latin1');
  return JSON.stringify({ metrics, dam, scores, predictions, weights });
}

it('gives every one of five trainings at the same time the bits that it has alone', async () => {
  const names = Object.keys(trainings);
  const alone: string[] = [];
  for (const name of names) alone.push(await outcome(name, 'alone'));
  expect(new Set(alone).size).toBe(names.length);
  const together = await Promise.all(names.map((name) => outcome(name, 'together')));
  for (const [i, name] of names.entries()) expect(together[i] === alone[i], name).toBe(true);
});

it('gives them also on one model and one task that all of them share', async () => {
  const [model, task] = [await loadModel(tinyModel), taskFromExamples(reviews)];
  const settings = [1, 2].map((seed) => ({ ...quick, dropout: 0.1, seed }));
  const metricsOf = async (one: TrainSettings) => {
    const adapter = await train(model, task, one);
    await adapter.close();
    return adapter.metrics;
  };
  const alone = [await metricsOf(settings[0]!), await metricsOf(settings[1]!)];
  expect(await Promise.all(settings.map(metricsOf))).toEqual(alone);
  expect(alone[0]).not.toEqual(alone[1]);
});
