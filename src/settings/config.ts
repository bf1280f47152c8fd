import { availableParallelism } from 'node:os';
import * as z from 'zod';
import {
  type AdapterMethod,
  type AdapterMethodName,
  type AdapterSettings,
  adapterMethodNames,
  adapterMethods,
  adapterSettings,
  withAdapterDefaults,
} from '../adapters/registry.js';
import { usualSkippedSteps } from '../engine/notFinite.js';
import { schedules } from '../engine/schedule.js';
import { nearestNames, usageError } from '../errors.js';
import { logNames } from '../logs/registry.js';
import { metricNames } from '../metrics/names.js';
import { headParts } from '../models/model.js';
import { searchOrders, sharings } from '../selection/dam.js';
import { damOptimizers } from '../selection/damOptimizer.js';
import { damStarts } from '../selection/damStart.js';
import { scopes } from '../selection/discretise.js';
import type { SelectionMethod } from '../selection/method.js';
import { selectionMethods, selectionNames } from '../selection/registry.js';
import { relaxations } from '../selection/relax.js';

/** What is trained. `diffora` is LoRA where DiffoRA's matrix decides: `lora` with `select: diffora`. */
export const methods = ['diffora', ...adapterMethodNames] as const;
/** Name of a method, `diffora` among them. */
export type Method = (typeof methods)[number];

const share = z.number().gt(0).lt(1);

/**
 * Everything that a run depends on. Flags and YAML files have the same names (flags in kebab case); a flag wins over
 * the file. Unknown keys are errors.
 */
export const trainSchema = z.strictObject({
  model: z.string().default('sentence-transformers/all-MiniLM-L6-v2'),
  task: z.string(),
  dataDir: z.string().optional(),
  textColumn: z.string().optional(),
  pairColumn: z.string().optional(),
  labelColumn: z.string().optional(),
  method: z.enum(methods).default('diffora'),
  /** An adapter folder to go on from: its method, modules, ranks and head. */
  adapter: z.string().optional(),
  /** Go on although the base model is not the one that the adapter was trained on. */
  anyBase: z.boolean().default(false),
  /** Part of the head that is trained: `classifier`, as PEFT does, or `all`, the pooler too. */
  head: z.enum(headParts).default('all'),
  /** Modules that may be adapted: ends of module paths, or `all`. */
  targets: z.array(z.string()).min(1).default(['all']),
  /** Trainable numbers that adapters get: ranks (widths of bottlenecks) are solved for. */
  parameters: z.int().positive().optional(),
  ...adapterSettings,

  /** How the modules are chosen; default: `diffora` with the method of that name, else all targets. */
  select: z.enum(selectionNames).optional(),
  /** The selection ratio ρ; the default had the best mean of the variants in docs/results.md. */
  keep: z.number().gt(0).max(1).default(0.67),
  /** In the place of the ratio: most trainable numbers of the kept modules together. */
  budget: z.int().positive().optional(),
  scope: z.enum(scopes).default('row'),
  /** Default `none`, for `output-norm` (LoRA-drop) `column`. */
  share: z.enum(sharings).optional(),
  /** Fine-tune from fresh A and B, or from those of the search. */
  start: z.enum(['fresh', 'search']).default('fresh'),
  relax: z.enum(relaxations).default('softmax'),
  searchOrder: z.enum(searchOrders).default('first'),
  damOptimizer: z.enum(damOptimizers).default('mirror'),
  damInit: z.enum(damStarts).default('zero'),
  damLr: z.number().positive().default(0.03),
  entropyWeight: z.number().nonnegative().default(0),
  searchSeeds: z.int().min(1).max(20).default(1),
  /** Passes of the search, or of another method's joint run, over the training half; `searchSteps` overrides. */
  searchEpochs: z.number().positive().default(1),
  searchSteps: z.int().positive().optional(),
  /** Use the matrix of this dam.json instead of selecting. */
  dam: z.string().optional(),

  epochs: z.number().positive().default(3),
  /** Stops earlier; the schedule then ends there. */
  maxSteps: z.int().positive().optional(),
  batchSize: z.int().positive().default(16),
  /** Parts that a batch is cut into, run one after the other. */
  accumulate: z.int().positive().default(1),
  /** Compute the activations of a layer again in the backward pass, in the place of keeping them. */
  gradientCheckpointing: z.boolean().default(false),
  /** Default by method: 5e-4 for LoRA. */
  lr: z.number().positive().optional(),
  /** Classification: share of a target that is spread over all classes. */
  labelSmoothing: z.number().min(0).lt(1).default(0),
  /** Classification: `balanced`, or a weight for each class by name. */
  classWeights: z.union([z.literal('balanced'), z.record(z.string(), z.number().positive())]).optional(),
  /** Peak learning rate of the head; default: `lr`. */
  headLr: z.number().positive().optional(),
  weightDecay: z.number().nonnegative().default(0.01),
  /** Weight decay of the head; default: `weightDecay`. */
  headWeightDecay: z.number().nonnegative().optional(),
  warmupRatio: z.number().min(0).max(1).default(0.06),
  schedule: z.enum(schedules).default('linear'),
  maxGradNorm: z.number().positive().default(1),
  /** Steps of a search, a joint run or the training that may be left out because loss or gradient is not finite. */
  maxSkippedSteps: z.int().nonnegative().default(usualSkippedSteps),
  /** Dropout of the base model while training: a rate for every site, or `model` for those of its config.json. */
  dropout: z.union([z.literal('model'), z.number().min(0).lt(1)]).default(0),
  /** Longest sequence in tokens; default: the task's, mostly 128. */
  maxLength: z.int().min(4).optional(),
  /** Span tasks: tokens that neighbouring windows of a long passage share; default 128, or half a window. */
  stride: z.int().nonnegative().optional(),
  /** Span tasks: an answer is left out where there being none has a score higher by more than this. */
  nullScoreDiffThreshold: z.number().default(0),
  /** Some of the task's metrics, the first deciding; default: all. */
  metrics: z.array(z.enum(metricNames)).min(1).optional(),
  /** Use this many training examples, drawn by seed and label. */
  maxTrainSamples: z.int().positive().optional(),
  /** Score on this many examples, drawn by label, the same for every seed. */
  maxEvalSamples: z.int().positive().optional(),
  /** Share of the training examples that is held out and scored in the place of the dev split. */
  validationShare: share.optional(),
  /** Chooses which examples those are; default: the seed. */
  validationSeed: z.int().nonnegative().optional(),
  /** Score the dev split, or what is held out, every this many steps of training. */
  evalSteps: z.int().positive().optional(),
  /** Stop after this many evaluations in a row that are no better than the best. */
  earlyStopping: z.int().positive().optional(),
  /** Write the adapter of the best evaluation, not of the last step; default: where there are evaluations. */
  keepBest: z.boolean().optional(),
  /** Steps of search, joint run and training between two checkpoints; left out, a run is written whole or not at all. */
  saveSteps: z.int().positive().optional(),
  /** Checkpoints that stay while the run goes on. */
  keepCheckpoints: z.int().positive().default(2),
  seed: z.int().nonnegative().default(1),
  /** Where the numbers of the run go while it goes on, beside metrics.jsonl. */
  log: z.array(z.enum(logNames)).default([]),
  /** Folder of logs that are files; default: the run folder's name with -logs. */
  logDir: z.string().optional(),
  threads: z.int().positive().default(availableParallelism()),
  /** GB (10⁹ bytes) that a run may take by its estimate; default: a warning where that is more than is free. */
  memoryLimit: z.union([z.literal('none'), z.number().positive()]).optional(),
});

/** Threads of work whose settings say nothing of them. */
export const usualThreads: number = trainSchema.shape.threads.parse(undefined);

/** Settings that decide no bit of what a run gives. */
export const freeSettings = [
  'dataDir',
  'log',
  'logDir',
  'saveSteps',
  'keepCheckpoints',
  'maxSkippedSteps',
  'anyBase',
  'memoryLimit',
] as const satisfies readonly TrainKey[];

export type TrainKey = keyof typeof trainSchema.shape;
/** A configuration as it is written down: what has a default may be left out. */
export type TrainConfigInput = z.input<typeof trainSchema>;

/** A checked configuration: what depends on the method is filled in. */
export type TrainConfig = z.output<typeof trainSchema> & {
  readonly lr: number;
  readonly share: (typeof sharings)[number];
} & AdapterSettings;

/**
 * Checks a configuration and fills in defaults.
 * @param where what to blame in a message: a file, or the flags
 * @throws DiffoError (usage) that names the key, what is wrong, and the nearest known key for an unknown one
 */
export function parseTrainConfig(raw: unknown, where: string): TrainConfig {
  const parsed = trainSchema.safeParse(raw);
  if (parsed.success) {
    refuseConflicts(parsed.data, where);
    return withMethodDefaults(parsed.data);
  }
  const issue = parsed.error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const nearest = nearestNames(key, Object.keys(trainSchema.shape)).join(', ');
    throw usageError(`${where}: "${key}" is not a setting; nearest: ${nearest}.`);
  }
  throw usageError(`${where}: ${issue.path.join('.')}: ${issue.message}.`);
}

/** What a method of fine-tuning and a method of selection lay down where nothing is said. */
function withMethodDefaults(config: z.output<typeof trainSchema>): TrainConfig {
  return {
    ...withAdapterDefaults(adapterMethodName(config), config),
    lr: config.lr ?? adapterMethodOf(config).usual.lr,
    share: config.share ?? selectionMethodOf(config)?.share ?? 'none',
  };
}

/** @throws DiffoError (usage) for settings that exclude each other */
function refuseConflicts(config: z.output<typeof trainSchema>, where: string): void {
  const { method, select, dam, adapter, start, parameters, ranks, alphas, evalSteps, earlyStopping, keepBest } = config;
  const refuse = (what: string) => {
    throw usageError(`${where}: ${what}`);
  };
  if (method === 'diffora' && select !== undefined && select !== 'diffora') {
    refuse(`method diffora selects by itself, and select is ${select}. Take method lora with select ${select}.`);
  }
  const { places, title, fit }: AdapterMethod = adapterMethodOf(config);
  if (places !== 'selected' && (select !== undefined || dam !== undefined)) {
    const what = select === undefined ? 'dam' : `select ${select}`;
    refuse(`${what} decides where low-rank adapters go, and method ${method} (${title}) has no such choice.`);
  }
  if (dam !== undefined && select !== undefined) refuse('dam and select exclude each other: both give the matrix.');
  if (adapter !== undefined && (select !== undefined || dam !== undefined)) {
    refuse('adapter goes on from modules that are chosen already; select and dam choose them. Leave one out.');
  }
  if (parameters !== undefined && fit === undefined) {
    refuse(`parameters solves for ranks or widths, and method ${method} (${title}) has none that could follow.`);
  }
  if (parameters !== undefined && (ranks ?? alphas ?? adapter) !== undefined) {
    refuse('parameters solves for the ranks; leave ranks, alphas and adapter out.');
  }
  if (parameters !== undefined && select === 'uniform') {
    refuse('select uniform solves for ranks itself. Take budget with it, or parameters without select.');
  }
  if (evalSteps === undefined && (earlyStopping !== undefined || keepBest === true)) {
    const what = earlyStopping !== undefined ? 'earlyStopping counts' : 'keepBest compares';
    refuse(`${what} evaluations, and there are none. Give evalSteps, the steps between two of them.`);
  }
  if (start === 'search' && parameters !== undefined) {
    refuse('start search takes over pairs of the rank of the search, and parameters changes it. Leave one out.');
  }
  if (start === 'search' && method !== 'diffora' && !(method === 'lora' && select !== undefined)) {
    refuse(`start search takes over plain LoRA pairs of a search; method ${method} has none.`);
  }
}

/** Name of the way to fine-tune: LoRA for DiffoRA. */
export function adapterMethodName({ method }: Pick<TrainConfig, 'method'>): AdapterMethodName {
  return method === 'diffora' ? 'lora' : method;
}

export function adapterMethodOf(config: Pick<TrainConfig, 'method'>): AdapterMethod {
  return adapterMethods[adapterMethodName(config)];
}

/** The way to choose modules; undefined where the targets are adapted as they are. */
export function selectionMethodOf({
  method,
  select,
}: Pick<TrainConfig, 'method' | 'select'>): SelectionMethod | undefined {
  const name = select ?? (method === 'diffora' ? 'diffora' : undefined);
  return name === undefined ? undefined : selectionMethods[name];
}

/** True where a matrix decides. */
export function hasMatrix(config: Pick<TrainConfig, 'method' | 'select' | 'dam'>): boolean {
  return selectionMethodOf(config) !== undefined || config.dam !== undefined;
}

/** The rate that replaces the model's own, if one does. */
export function dropoutRateOf(config: Pick<TrainConfig, 'dropout'>): number | undefined {
  return config.dropout === 'model' ? undefined : config.dropout;
}
