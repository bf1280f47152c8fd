import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type TrainConfigInput, trainSchema } from '../../src/settings/config.js';
import { chatModel, tinyTemplate } from '../tasks/chat/chatModel.js';
import { writingModel } from '../tasks/seq2seq/writingModel.js';
import { diffora, temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let quick: Partial<TrainConfigInput>;
let columns: Partial<TrainConfigInput>;
let common: Partial<TrainConfigInput>;
beforeAll(async () => {
  folder = await temporaryFolder();
  const task = folder.path('reviews.csv');
  const rows = Array.from(
    { length: 40 },
    (_, i) => `the ${i % 2 === 0 ? 'cat' : 'man'} ${i},title ${i % 3},${i % 2 === 0 ? 'good' : 'bad'}\n`,
  );
  await writeFile(task, `review,title,stars\n${rows.join('')}`);
  columns = { textColumn: 'review', pairColumn: 'title', labelColumn: 'stars' };
  quick = { model: tinyModel, maxLength: 16, epochs: 1, batchSize: 8, threads: 1, device: 'cpu', precision: 'fp32' };
  common = { ...quick, ...columns, task };
  const grammar = Array.from({ length: 20 }, (_, i) => `x\t${i % 2}\t\tthe ${i % 2 === 0 ? 'cat' : 'man'} ${i}\n`).join(
    '',
  );
  await mkdir(folder.path('cola'));
  for (const name of ['train', 'dev']) await writeFile(folder.path('cola', `${name}.tsv`), grammar);
  const questions = Array.from({ length: 8 }, (_, i) => {
    const [good, bad] = i % 2 === 0 ? ['film', 'book'] : ['book', 'film'];
    const context = `it was so dull that the ${good} is good and the ${bad} is bad`;
    return { question: 'what is good', context, answers: { text: [good], answer_start: [context.indexOf(good!)] } };
  });
  await writeFile(folder.path('questions.jsonl'), questions.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await chatModel(folder.path('llama'), null);
  await writeFile(folder.path('tiny.jinja'), tinyTemplate);
  const chats = Array.from({ length: 8 }, (_, i) => ({ prompt: `say ${'ab'[i % 2]}`, completion: 'ab'[i % 2] }));
  await writeFile(folder.path('chats.jsonl'), chats.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const pairs = chats.map(({ prompt, completion }) => ({ prompt, chosen: completion, rejected: 'no' }));
  await writeFile(folder.path('pairs.jsonl'), pairs.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const answers = chats.map((row, i) => ({ ...row, label: i % 3 > 0 }));
  await writeFile(folder.path('answers.jsonl'), answers.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await writingModel(folder.path('t5'));
  const texts = chats.map(({ prompt, completion }) => ({ source: prompt, target: completion }));
  await writeFile(folder.path('texts.jsonl'), texts.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const metrics = '[f1, exact_match, best_f1]';
  const span = `kind: span\ntrain: questions.jsonl\ndev: questions.jsonl\nmetrics: ${metrics}\n`;
  await writeFile(folder.path('questions.yaml'), span);
});
afterAll(() => folder.remove());

/** Settings that are read together, each with another value than its default. */
const sets: Readonly<Record<string, () => Partial<TrainConfigInput>>> = {
  most: () => ({
    ...common,
    method: 'lora',
    rank: 2,
    head: 'classifier',
    targets: ['query', 'value'],
    alpha: 3,
    loraDropout: 0.1,
    bias: 'lora_only',
    select: 'diffora',
    budget: 1000,
    scope: 'global',
    measurePer: 'parameter',
    share: 'column',
    start: 'search',
    relax: 'sigmoid',
    searchOrder: 'second',
    damOptimizer: 'adam',
    damInit: 'gradient-norm',
    damLr: 0.02,
    searchPatience: 0.9,
    entropyWeight: 0.1,
    searchSeeds: 2,
    searchTeam: 1,
    searchSteps: 2,
    maxSteps: 3,
    accumulate: 2,
    gradientCheckpointing: true,
    lr: 1e-3,
    headLr: 2e-3,
    labelSmoothing: 0.1,
    classWeights: { bad: 2 },
    weightDecay: 0.02,
    headWeightDecay: 0.03,
    warmupRatio: 0.2,
    schedule: 'cosine',
    maxGradNorm: 0.5,
    maxSkippedSteps: 2,
    dropout: 0.1,
    metrics: ['accuracy'],
    maxTrainSamples: 30,
    maxEvalSamples: 4,
    validationShare: 0.2,
    validationSeed: 5,
    scoreOn: 'dev',
    validationLoss: true,
    evalSteps: 2,
    earlyStopping: 3,
    keepBest: false,
    saveSteps: 2,
    keepCheckpoints: 1,
    seed: 7,
    reduce: 'bf16',
    memoryLimit: 16,
    log: ['csv'],
    logDir: folder.path('logs'),
  }),
  ratio: () => ({ ...common, method: 'diffora', keep: 0.4, searchEpochs: 2 }),
  share: () => ({ ...common, method: 'diffora', rank: 2, searchShare: 0.1 }),
  ranks: () => ({ ...common, method: 'lora', rank: 2, ranks: { query: 3 }, alphas: { query: 6 } }),
  fitted: () => ({ ...common, method: 'lora', rank: 2, parameters: 4000, saveModules: ['LayerNorm'] }),
  upper: () => ({
    ...common,
    method: 'lora',
    rank: 2,
    targets: ['layer.2.output.dense'],
    cachePrefix: 'disk',
    cachePrefixLimit: 2,
    cachePrefixType: 'bfloat16',
  }),
  priced: () => ({ ...common, rank: 2, scope: 'global', keep: 0.3, searchSteps: 2, price: 'memory', priceWeight: 0.3 }),
  cheap: () => ({ ...common, method: 'lora', rank: 2, select: 'random', scope: 'global', keep: 0.2, maxStepTime: 0.8 }),
  loraplus: () => ({ ...common, method: 'loraplus', loraPlusRatio: 4 }),
  pissa: () => ({ ...common, method: 'pissa', pissaIterations: 3 }),
  adalora: () => ({
    ...common,
    method: 'adalora',
    rank: 2,
    adaloraInitRank: 4,
    adaloraTinit: 1,
    adaloraTfinal: 1,
    adaloraDeltaT: 1,
    adaloraBeta1: 0.8,
    adaloraBeta2: 0.8,
    adaloraOrthogonality: 0.3,
  }),
  vera: () => ({ ...common, method: 'vera', rank: 8, veraInitial: 0.2 }),
  pfeiffer: () => ({ ...common, method: 'pfeiffer', reduction: 8 }),
  known: () => ({ ...quick, task: 'cola', dataDir: folder.path(), method: 'head' }),
  span: () => ({
    ...quick,
    task: folder.path('questions.yaml'),
    method: 'head',
    stride: 5,
    nullScoreDiffThreshold: 1,
  }),
  chats: () => ({
    model: folder.path('llama'),
    task: folder.path('chats.jsonl'),
    threads: 1,
    epochs: 1,
    method: 'lora',
    rank: 2,
    trainOn: 'last',
    chatTemplate: folder.path('tiny.jinja'),
  }),
  texts: () => ({
    model: folder.path('t5'),
    task: folder.path('texts.jsonl'),
    threads: 1,
    epochs: 1,
    method: 'lora',
    rank: 2,
    prefix: 'write: ',
    maxTargetLength: 3,
  }),
  preferences: () => ({
    model: folder.path('llama'),
    task: folder.path('pairs.jsonl'),
    threads: 1,
    epochs: 1,
    method: 'lora',
    rank: 2,
    loss: 'simpo',
    beta: 0.3,
    simpoGamma: 0.5,
    labelSmoothing: 0.1,
  }),
  answers: () => ({
    model: folder.path('llama'),
    task: folder.path('answers.jsonl'),
    threads: 1,
    epochs: 1,
    method: 'lora',
    rank: 2,
    loss: 'kto',
    desirableWeight: 2,
    undesirableWeight: 0.5,
  }),
  adapter: () => ({ ...common, adapter: folder.path('ranks'), anyBase: true }),
  matrix: () => ({ ...common, method: 'lora', targets: ['query', 'value'], dam: folder.path('most', 'dam.json') }),
};

const recordOf = async (name: string) => JSON.parse(await readFile(folder.path(name, 'run.json'), 'utf8'));

describe('settings', () => {
  it('are all in one of these files', () => {
    const named = new Set(Object.values(sets).flatMap((settings) => Object.keys(settings())));
    expect([...named].sort()).toEqual(Object.keys(trainSchema.shape).sort());
  });

  it.each(Object.keys(sets))(
    'stand in a YAML file and, as they are, in run.json, which repeats the run: %s',
    async (name) => {
      const settings = sets[name]!();
      const file = folder.path(`${name}.yaml`);
      await writeFile(file, stringify(settings));
      const first = await diffora('train', '--config', file, '--output', folder.path(name));
      expect(first.code, first.stderr).toBe(0);
      const { config, adapter, scores } = await recordOf(name);
      for (const [key, value] of Object.entries(settings)) expect(config[key], key).toEqual(value);
      const again = await diffora(
        'train',
        '--config',
        folder.path(name, 'run.json'),
        '--output',
        folder.path(`${name}-2`),
      );
      expect(again.code, again.stderr).toBe(0);
      expect(await recordOf(`${name}-2`)).toMatchObject({ config, adapter, scores });
    },
  );
});
