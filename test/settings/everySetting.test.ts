import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AdapterPlan } from '../../src/adapters/plan.js';
import { DiffoError } from '../../src/errors.js';
import { planRun } from '../../src/jobs/plan.js';
import { moduleSizes, refuseUnkeepable, selectionSettingsOf } from '../../src/jobs/selectModules.js';
import type { Model } from '../../src/models/model.js';
import { selectionMethods, selectionNames } from '../../src/selection/registry.js';
import {
  choosingMethodOf,
  flatConfig,
  learningRateOf,
  type MethodConfig,
  methods,
  parseTrainConfig,
  type RunCommand,
  type TrainConfig,
  type TrainConfigInput,
  type TrainKey,
  trainKeys,
} from '../../src/settings/config.js';
import { trainingOptionsOf } from '../../src/settings/trainingOptions.js';
import { openTinyBert } from '../models/tinyBert.js';

/** Another value than the default of every setting, and what it has to stand beside. */
const others: { readonly [K in TrainKey]: NonNullable<TrainConfigInput[K]> } = {
  model: 'another/model',
  task: 'rte',
  dataDir: 'data',
  textColumn: 'review',
  pairColumn: 'title',
  labelColumn: 'stars',
  maxTrainSamples: 30,
  validationShare: 0.2,
  validationSeed: 5,
  scoreOn: 'dev',
  validationLoss: true,
  maxEvalSamples: 4,
  metrics: ['accuracy'],
  maxLength: 16,
  stride: 5,
  trainOn: 'last',
  chatTemplate: 'zephyr',
  prefix: 'summarize: ',
  maxTargetLength: 20,
  nullScoreDiffThreshold: 1,
  method: 'rslora',
  adapter: 'runs/other',
  anyBase: true,
  head: 'classifier',
  targets: ['query', 'value'],
  parameters: 9000,
  saveModules: ['LayerNorm'],
  rank: 3,
  alpha: 5,
  ranks: { query: 2 },
  alphas: { query: 7 },
  loraDropout: 0.1,
  bias: 'lora_only',
  loraPlusRatio: 4,
  pissaIterations: 3,
  adaloraInitRank: 14,
  adaloraTinit: 3,
  adaloraTfinal: 4,
  adaloraDeltaT: 2,
  adaloraBeta1: 0.8,
  adaloraBeta2: 0.8,
  adaloraOrthogonality: 0.3,
  veraInitial: 0.2,
  reduction: 8,
  select: 'gram',
  dam: 'runs/where/dam.json',
  keep: 0.4,
  budget: 4000,
  scope: 'global',
  measurePer: 'parameter',
  price: 'memory',
  priceWeight: 0.3,
  maxStepTime: 0.7,
  share: 'column',
  start: 'search',
  relax: 'sigmoid',
  searchOrder: 'second',
  damOptimizer: 'adam',
  damInit: 'zero',
  damLr: 0.02,
  searchPatience: 0.3,
  entropyWeight: 0.1,
  searchSeeds: 2,
  searchTeam: 2,
  searchEpochs: 2,
  searchShare: 0.5,
  searchSteps: 7,
  epochs: 2,
  maxSteps: 3,
  batchSize: 4,
  accumulate: 2,
  gradientCheckpointing: true,
  cachePrefix: 'memory',
  cachePrefixLimit: 2,
  cachePrefixType: 'bfloat16',
  lr: 4e-3,
  headLr: 2e-3,
  loss: 'simpo',
  beta: 0.3,
  simpoGamma: 0.5,
  desirableWeight: 2,
  undesirableWeight: 0.5,
  labelSmoothing: 0.1,
  classWeights: 'balanced',
  weightDecay: 0.02,
  headWeightDecay: 0.03,
  warmupRatio: 0.2,
  schedule: 'cosine',
  maxGradNorm: 0.5,
  maxSkippedSteps: 2,
  dropout: 0.1,
  evalSteps: 2,
  earlyStopping: 3,
  keepBest: false,
  seed: 7,
  threads: 99,
  device: 'webgpu',
  precision: 'tf32',
  saveSteps: 2,
  keepCheckpoints: 1,
  log: ['csv'],
  logDir: 'logs',
  reduce: 'bf16',
  memoryLimit: 8,
};

/** A third value, for runs that have the second. */
const alternatives: Partial<TrainConfigInput> = { method: 'pissa', select: 'random', share: 'none' };

/** What has to stand beside a setting for it to be read. */
const beside: Readonly<Partial<Record<TrainKey, Partial<TrainConfigInput>>>> = {
  validationSeed: { validationShare: 0.2 },
  scoreOn: { validationShare: 0.2, validationLoss: true },
  validationLoss: { validationShare: 0.2 },
  earlyStopping: { evalSteps: 2 },
  keepBest: { evalSteps: 2 },
  keepCheckpoints: { saveSteps: 2 },
  price: { scope: 'global' },
  priceWeight: { scope: 'global', price: 'time' },
  maxStepTime: { scope: 'global' },
  cachePrefixLimit: { cachePrefix: 'memory' },
  cachePrefixType: { cachePrefix: 'memory' },
  logDir: { log: ['csv'] },
  simpoGamma: { loss: 'simpo' },
};

let model: Model;
beforeAll(async () => {
  model = await openTinyBert();
});

/** What a plan does: its tensors, first values, rates, and what it saves. */
async function traceOf(plan: AdapterPlan): Promise<unknown> {
  const initial = await plan.initial(model, 1);
  plan.control?.(20);
  const values = (name: string) => initial.get(name) ?? new Float32Array(model.backbone.get(name) ? 1 : 0);
  const saved = plan.placements.length === 0 ? undefined : plan.save(model, values, { totalSteps: 20 });
  const hash = createHash('sha256');
  for (const [name, array] of initial) hash.update(name).update(new Uint8Array(array.buffer));
  const placements = plan.placements.map(({ module, pair, rank, alpha, scaling }) => [
    module.path,
    pair,
    rank,
    alpha,
    scaling,
  ]);
  const fields = saved?.format === 'peft' ? saved.fields : undefined;
  return [plan.method, plan.tensors, plan.replaced, placements, fields, hash.digest('hex')];
}

const traces = new Map<string, Promise<unknown>>();

/** What the plan of these settings does; each is looked at once. */
function planned(method: MethodConfig): Promise<unknown> {
  const key = JSON.stringify(method);
  const trace = traces.get(key) ?? traceOf(planRun(model, method, undefined));
  traces.set(key, trace);
  return trace;
}

/** Names of what a way to choose gets for a setting. */
const gets: Readonly<Record<string, string>> = {
  searchEpochs: 'steps',
  searchShare: 'steps',
  epochs: 'steps',
  maxSteps: 'steps',
  searchSteps: 'steps',
  dropout: 'dropoutRate',
};

/** What the way to choose gets of a configuration, of what it says that it reads. */
function choiceOf(config: TrainConfig): unknown {
  const method = choosingMethodOf(config);
  if (method === undefined || config.method.adapter !== undefined || config.selection.dam !== undefined)
    return undefined;
  const { keep, budget, scope, measurePer, share, start } = config.selection;
  const names = [...Object.keys(method.settings), ...method.reads].map((name) => gets[name] ?? name);
  const settings = Object.entries(selectionSettingsOf(config, 2400)).filter(([name]) => names.includes(name));
  const declared = (name: string, value: unknown) => (Object.hasOwn(method.settings, name) ? value : undefined);
  const sizes = budget === undefined ? undefined : moduleSizes(model, config.method);
  const limit = Object.hasOwn(method.settings, 'scope') ? config.method.parameters : undefined;
  const kept = [
    declared('keep', keep),
    declared('budget', budget),
    declared('scope', scope),
    declared('measurePer', measurePer),
    limit,
  ];
  const { price, priceWeight, maxStepTime } = config.selection;
  kept.push(declared('price', price), declared('priceWeight', priceWeight), declared('maxStepTime', maxStepTime));
  const head = method.reads.includes('head') ? config.method.head : undefined;
  return [config.selection.select, settings, kept, declared('share', share), declared('start', start), sizes, head];
}

/** What each part of a run gets of a configuration. */
async function calleesOf(config: TrainConfig, command: RunCommand): Promise<string> {
  const { data, method, selection, optimisation, run } = config;
  const { model: base, task, dataDir, textColumn, pairColumn, labelColumn, maxLength, stride } = data;
  const { trainOn, chatTemplate, prefix, maxTargetLength } = data;
  const { loss: preferred, beta, simpoGamma, desirableWeight, undesirableWeight } = optimisation;
  const opened = [
    base,
    task,
    dataDir,
    textColumn,
    pairColumn,
    labelColumn,
    maxLength,
    stride,
    trainOn,
    chatTemplate,
    prefix,
    maxTargetLength,
    preferred,
    beta,
    simpoGamma,
    desirableWeight,
    undesirableWeight,
  ];
  const drawn = [data.maxTrainSamples, data.validationShare, data.validationSeed, run.seed];
  const saved = [
    run.saveSteps,
    run.keepCheckpoints,
    run.threads,
    run.reduce,
    run.device,
    run.precision,
    run.memoryLimit,
  ];
  const everywhere = [opened, drawn, saved, choiceOf(config)];
  if (command === 'select') return JSON.stringify(everywhere);
  const { adapter, anyBase, head } = method;
  const steps = trainingOptionsOf(optimisation, learningRateOf(config), run);
  const evaluated = [optimisation.evalSteps, optimisation.earlyStopping, optimisation.keepBest];
  const goesOn = adapter === undefined ? await planned(method) : [adapter, anyBase, method.method];
  const loss = [optimisation.labelSmoothing, optimisation.classWeights];
  const ofHead = [optimisation.headLr, optimisation.headWeightDecay, adapter === undefined ? head : undefined];
  const scored = [data.maxEvalSamples, data.metrics, data.nullScoreDiffThreshold, data.scoreOn, data.validationLoss];
  const kept = [optimisation.cachePrefix, optimisation.cachePrefixLimit, optimisation.cachePrefixType];
  const trained = [kept, steps, [1, 10, 1000].map(steps.steps), goesOn, loss, ofHead, evaluated, scored];
  const placed = [selection.dam, selection.dam === undefined ? undefined : selection.share];
  return JSON.stringify([everywhere, trained, placed, run.log, run.logDir]);
}

interface Run {
  readonly settings: Partial<TrainConfigInput>;
  readonly command: RunCommand;
}
const withBudget = selectionNames.filter((name) => Object.hasOwn(selectionMethods[name].settings, 'budget'));
const adapted = { adapter: 'runs/adapter' };
const chosen = { method: 'lora', dam: 'runs/dam.json' } as const;
const runs: readonly (readonly [name: string, run: Run])[] = [
  ...methods.map((method) => [`method ${method}`, { settings: { method }, command: 'train' }] as const),
  ...selectionNames.flatMap((select) => [
    [`select ${select}`, { settings: { method: 'lora', select }, command: 'train' }] as const,
    [`select ${select} alone`, { settings: { select }, command: 'select' }] as const,
  ]),
  ...withBudget.flatMap((select) => [
    [`select ${select}, budget`, { settings: { method: 'lora', select, budget: 5000 }, command: 'train' }] as const,
    [`select ${select} alone, budget`, { settings: { select, budget: 5000 }, command: 'select' }] as const,
  ]),
  ['an adapter', { settings: adapted, command: 'train' }],
  ['a matrix', { settings: chosen, command: 'train' }],
  ['a data file', { settings: { method: 'lora', task: 'reviews.csv' }, command: 'train' }],
  ['a task file', { settings: { method: 'lora', task: 'reviews.yaml' }, command: 'train' }],
];
describe.each(runs)('with %s every setting', (name, { settings, command }) => {
  it('changes what a part of the run gets, or is refused by name', async () => {
    const parse = (change: Partial<TrainConfigInput>) =>
      parseTrainConfig({ task: 'cola', ...settings, ...change }, name, { command });
    const usual = parse({});
    const bare = await calleesOf(usual, command);
    const unread: string[] = [];
    for (const key of trainKeys) {
      const company = beside[key] ?? {};
      let without = bare;
      try {
        if (beside[key] !== undefined) without = await calleesOf(parse(company), command);
        const other = flatConfig(usual)[key] === others[key] ? (alternatives[key] ?? others[key]) : others[key];
        const config = parse({ ...company, [key]: other });
        if ((await calleesOf(config, command)) === without) unread.push(key);
      } catch (error) {
        expect(error, key).toBeInstanceOf(DiffoError);
        const { message, exitCode } = error as DiffoError;
        expect(exitCode, key).toBe(2);
        if (!Object.keys({ [key]: 0, ...company }).some((one) => message.includes(one)))
          unread.push(`${key}: ${message}`);
      }
    }
    expect(unread).toEqual([]);
  });
});

describe('a setting that nothing will read', () => {
  const refused =
    (settings: object, command: RunCommand = 'train') =>
    () =>
      parseTrainConfig({ task: 'cola', ...settings }, 'x.yaml', { command });

  it.each<[object, string]>([
    [
      { method: 'lora', loraPlusRatio: 4 },
      'x.yaml: loraPlusRatio is read by method loraplus alone; this run has method lora. Leave it out.',
    ],
    [{ method: 'head', rank: 4 }, 'rank is read by method lora, '],
    [{ method: 'lora', keep: 0.5 }, 'this run has method lora without select. Leave it out.'],
    [
      { method: 'lora', select: 'random', damLr: 1 },
      'damLr is read by select diffora or inverted; this run has select random.',
    ],
    [{ budget: 1000, keep: 0.5 }, 'budget stands in the place of keep. Leave one out.'],
    [{ adapter: 'a', rank: 4 }, 'rank is laid down by the adapter that the run goes on from (a). Leave it out.'],
    [{ method: 'lora', dam: 'dam.json', keep: 0.5 }, 'keep is read where modules are chosen, and dam is a matrix'],
    [{ textColumn: 'a' }, 'textColumn is read by data files alone; cola is a known task with columns of its own.'],
    [{ task: 'a.yaml', textColumn: 'a' }, 'a.yaml is a task file, which names its columns itself. Leave it out.'],
    [{ task: 'a.csv', dataDir: 'a' }, 'dataDir is read by known tasks alone; a.csv is a file. Leave it out.'],
    [{ scoreOn: 'dev' }, 'scoreOn is read with validationShare alone.'],
    [{ validationLoss: true }, 'validationLoss is read with validationShare alone.'],
    [{ keepCheckpoints: 3 }, 'keepCheckpoints is read with saveSteps alone. Give saveSteps, or leave it out.'],
    [{ logDir: 'a', log: ['wandb'] }, 'Give log tensorboard or csv, or leave it out.'],
    [{ method: 'houlsby', parameters: 9000, reduction: 8 }, 'parameters solves for reduction. Leave one out.'],
  ])('is refused: %o', (settings, message) => {
    expect(refused(settings)).toThrow(message);
  });

  it.each<[object, string]>([
    [{ accumulate: 3 }, 'accumulate is read by the training that follows a selection'],
    [{ searchSteps: 4, epochs: 3 }, 'searchSteps stands in the place of epochs. Leave one out.'],
    [{ method: 'bitfit' }, 'method is bitfit. Leave method out.'],
    [{ select: 'random', batchSize: 4 }, 'this run has select random. Leave it out.'],
    [{ select: 'random', ranks: { query: 2 } }, 'ranks is read with budget alone.'],
  ])('is refused where modules are chosen alone: %o', (settings, message) => {
    expect(refused(settings, 'select')).toThrow(message);
  });
});

describe('ranks of modules that differ', () => {
  const of = (change: object) => parseTrainConfig({ task: 'cola', rank: 4, ranks: { query: 2 }, ...change }, 'test');

  it('do not reach the search, whose pairs have the rank of all', () => {
    expect(selectionSettingsOf(of({}), 24)).toMatchObject({ rank: 4, alpha: 8 });
    expect(selectionSettingsOf(of({}), 24)).not.toHaveProperty('ranks');
  });

  it('count in the budget: 2 · (32 + 32) numbers of a query, 4 · (32 + 32) of a key', () => {
    const sizes = moduleSizes(model, of({}).method);
    expect(sizes[0]!.slice(0, 2)).toEqual([128, 256]);
    expect(() => moduleSizes(model, of({ ranks: { qurey: 2 } }).method)).toThrow('"qurey" is none of the adapted');
  });

  it('are refused before a search where the budget holds none of the modules: 12 · (32 + 32) = 768 numbers', () => {
    const { method } = of({ ranks: { query: 12 } });
    const refuse = (budget: number, share: 'none' | 'column' = 'none') =>
      refuseUnkeepable(model, method.ranks, { budget, sizes: moduleSizes(model, method) }, share);
    expect(() => refuse(767)).toThrow('the smallest of these modules has 768 trainable numbers');
    expect(() => refuse(768)).not.toThrow();
    expect(() => refuse(767, 'column')).not.toThrow();
  });

  it('of modules that were not kept are left alone', () => {
    const gamma = Array.from({ length: model.layers }, () => model.modules.map((_, i): 0 | 1 => (i === 1 ? 1 : 0)));
    const { placements } = planRun(model, of({}).method, { gamma, share: 'none' });
    expect(placements.map(({ rank }) => rank)).toEqual([4, 4, 4]);
  });

  it('are refused where a warm start would need the ranks of the search', () => {
    expect(() => of({ start: 'search' })).toThrow('ranks changes them. Leave one out.');
    expect(() => of({ method: 'lora', select: 'uniform' })).toThrow('select uniform solves for the ranks of all');
  });
});
