import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Adapter,
  estimate,
  type LoadedModel,
  loadAdapter,
  loadModel,
  loadTask,
  predictWithAdapter,
  selectModules,
  type Task,
  type TrainedAdapter,
  taskFromExamples,
  train,
  trainToFolder,
} from '../../src/index.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { temporaryFolder, tinyModel, writeReviews } from '../cli/run.js';
import { quick, quickSearch, quickTraining, reviews } from './reviews.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let model: LoadedModel;
let task: Task;
let adapter: TrainedAdapter;
beforeAll(async () => {
  folder = await temporaryFolder();
  model = await loadModel(tinyModel);
  task = taskFromExamples(reviews);
  adapter = await train(model, task, quick);
});
afterAll(async () => {
  await adapter.close();
  await folder.remove();
});

const texts = ['no, thanks', 'the cat sat on the mat'];

describe('a training in memory', () => {
  it('gives the bytes of the same training into a folder', async () => {
    const file = folder.path('reviews.csv');
    await writeReviews(file);
    const columns = { textColumn: 'review', labelColumn: 'stars' };
    const config = parseTrainConfig({ ...quick, ...columns, model: tinyModel, task: file }, 'test');
    await trainToFolder({ config, output: folder.path('run') });
    const trained = await train(model, await loadTask(file, columns), quick);
    await trained.save(folder.path('saved'));
    await trained.close();
    for (const name of await readdir(folder.path('run/adapter'))) {
      const [one, other] = [folder.path('run/adapter', name), folder.path('saved', name)];
      // What is in memory has no run.json to be repeated by.
      const ofRun = (await readFile(one, 'latin1')).replace(/## The run again\n[\s\S]*?(?=## )/, '');
      expect(await readFile(other, 'latin1'), name).toBe(ofRun);
    }
  });

  it('is estimated by steps of which nothing stays: the same training gives the same bits', async () => {
    const { trainSteps, memoryBytes, time } = await estimate(model, task, { ...quick, evalSteps: 5 });
    expect(trainSteps).toBe(10);
    expect(memoryBytes).toBeGreaterThan(1e6);
    expect(time).toMatchObject({ selection: { units: 5 }, training: { units: 10 }, evaluations: 3 });
    const again = await train(model, task, quick);
    expect(again.steps).toEqual(adapter.steps);
    expect(again.dam).toEqual(adapter.dam);
    await again.close();
  });

  it('scores the examples held out, and learns these', () => {
    expect(adapter.scores).toEqual({ accuracy: 1, f1: 1, matthews: 1 });
    expect(adapter.steps).toHaveLength(10);
    expect(adapter.dam?.gamma.map((row) => row.filter((kept) => kept === 1).length)).toEqual([4, 4, 4]);
  });

  it('uses a matrix that was selected before, for every method that can take one', async () => {
    const dam = await selectModules(model, task, quickSearch);
    expect(dam.gamma).toEqual(adapter.dam?.gamma);
    const again = await train(model, task, { ...quickTraining, dam });
    expect(again.metrics).toEqual(adapter.metrics);
    const dora = await train(model, task, { ...quickTraining, method: 'dora', dam });
    expect(dora.dam).toBe(dam);
    for (const one of [again, dora]) await one.close();
  });

  it('refuses a matrix of another form, and settings that belong elsewhere', async () => {
    const { dam } = adapter;
    const narrow = { ...dam!, modules: dam!.modules.slice(1) };
    await expect(train(model, task, { ...quickTraining, dam: narrow })).rejects.toThrow(
      'dam is a matrix of 3 layers of',
    );
    const settings = { ...quick, saveSteps: 5 };
    await expect(train(model, task, settings)).rejects.toThrow('settings: "saveSteps" is that of a run folder');
    const wrong = { ...quick, rnak: 5 };
    await expect(train(model, task, wrong)).rejects.toThrow('settings: "rnak" is not a setting; nearest: rank');
  });

  it('writes no folder over another unless it is told to', async () => {
    await adapter.save(folder.path('twice'));
    await expect(adapter.save(folder.path('twice'))).rejects.toThrow('exists already');
    await adapter.save(folder.path('twice'), { overwrite: true });
    expect(existsSync(folder.path('twice/adapter_model.safetensors'))).toBe(true);
  });
});

describe('an adapter', () => {
  let loaded: Adapter;
  beforeAll(async () => {
    await adapter.save(folder.path('adapter'));
    loaded = await loadAdapter(folder.path('adapter'), { model, threads: 1 });
  });

  it('predicts after loading what it predicted when it was trained, and what predictWithAdapter does', async () => {
    const predictions = await loaded.predict(texts);
    expect(predictions).toEqual(await adapter.predict(texts));
    const examples = async () => texts.map((text, i) => ({ id: String(i), text }));
    expect(predictions).toEqual(await predictWithAdapter({ adapter: folder.path('adapter'), threads: 1, examples }));
    expect(predictions.map((one) => 'label' in one && one.label)).toEqual(['bad', 'good']);
  });

  it('answers calls that overlap as it answers them one by one', async () => {
    const alone = await Promise.all(texts.map((text) => loaded.predict([text])));
    for (const [i, text] of texts.entries()) expect(await loaded.predict([text])).toEqual(alone[i]);
  });

  it('scores a task of the same labels, and refuses another', async () => {
    const { scores, split, examples } = await loaded.evaluate(task, { split: 'train', maxEvalSamples: 10 });
    expect({ scores: scores.accuracy, split, examples }).toEqual({ scores: 1, split: 'train', examples: 10 });
    const other = taskFromExamples(reviews.map(({ text, label }) => ({ text, label: `${label}!` })));
    await expect(loaded.evaluate(other)).rejects.toThrow('has the labels bad!, good!');
  });

  it('refuses a pair that its task does not know', async () => {
    const pair = loaded.predict(['no', { text: 'no', pair: 'yes' }]);
    await expect(pair).rejects.toThrow('Input 2: the task examples is about single texts, and it has a pair.');
  });

  it('ends what is under way when it is closed, and does nothing afterwards', async () => {
    const underWay = loaded.predict(texts);
    await loaded.close();
    await loaded.close();
    expect(await underWay).toHaveLength(2);
    await expect(loaded.predict(texts)).rejects.toThrow('is closed. Load or train it again.');
  });
});

describe('an abort', () => {
  it('stops a prediction with its own reason', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(adapter.predict(texts, { signal })).rejects.toThrow('enough');
    await expect(train(model, task, quick, { signal })).rejects.toThrow('enough');
    await expect(loadModel(tinyModel, { signal })).rejects.toThrow('enough');
  });
});
