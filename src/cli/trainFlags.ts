import { type Command, Option } from 'commander';
import * as z from 'zod';
import { nearestNames, usageError } from '../errors.js';
import { logNames } from '../logs/registry.js';
import { type TrainConfigInput, type TrainKey, trainSchema } from '../settings/config.js';
import { TASKS } from '../tasks/known/registry.js';

const data = 'Model and task:';
const method = 'Method:';
const selection = 'Where adapters go:';
const search = 'DiffoRA search:';
const training = 'Training:';
const saving = 'Checkpoints:';

/** Heading and description of the flag of each setting. Types, ranges and defaults come from the schema. */
const flags: Readonly<Record<TrainKey, readonly [group: string, description: string]>> = {
  model: [data, 'hub name or folder of the base model'],
  task: [data, `${[...TASKS.keys()].join(', ')}, or a file: .csv, .tsv, .jsonl, .parquet, or .yaml that describes one`],
  dataDir: [data, 'folder with a sub-folder for each known task (default: DIFFORA_DATA, else the hub)'],
  textColumn: [data, 'column of the text in a data file (default: text, sentence or sentence1)'],
  pairColumn: [data, 'column of the second text (default: pair or sentence2 where there is one)'],
  labelColumn: [data, 'column of the label (default: label)'],
  maxTrainSamples: [data, 'use this many training examples, drawn by seed and label (default: all)'],
  validationShare: [data, 'score on this share of the training data, held out, and not on dev'],
  validationSeed: [data, 'chooses which examples those are (default: the seed)'],
  maxEvalSamples: [data, 'score on this many examples, the same for every seed (default: all)'],
  metrics: [data, "some of the task's metrics, with commas, the first deciding (default: all)"],
  maxLength: [data, "longest sequence in tokens; longer ones are cut (default: the task's, mostly 128)"],
  stride: [data, 'answers in passages: tokens that neighbouring windows of a long passage share (default: 128)'],
  nullScoreDiffThreshold: [data, 'answers in passages: no answer where its score is higher by more than this'],
  method: [method, 'what is trained (diffora is lora with --select diffora)'],
  adapter: [method, 'go on from this adapter folder: its method, modules, ranks and head'],
  anyBase: [method, 'take another base than the adapter was trained on, such as one in another format, with a warning'],
  head: [method, 'part of the head that is trained: classifier, as PEFT does, or all, the pooler too'],
  targets: [method, 'modules that may be adapted, with commas: ends of module paths, or all'],
  rank: [method, 'rank r of A and B (default: 8, for vera 256)'],
  alpha: [method, 'adapters are scaled by alpha / rank (default: 2 · rank)'],
  ranks: [method, 'ranks of modules that differ: query=4,layer.0.output.dense=16'],
  alphas: [method, 'alphas of modules that differ, as for --ranks'],
  parameters: [method, 'trainable numbers that adapters get, head apart: ranks or widths are solved for'],
  loraDropout: [method, 'dropout on the input of low-rank adapters'],
  bias: [method, 'biases of the base model that are trained beside a low-rank adapter'],
  loraPlusRatio: [method, 'loraplus: learning rate of B over that of A'],
  pissaIterations: [method, 'pissa: subspace iterations of the singular value decomposition'],
  adaloraInitRank: [method, 'adalora: rank at the start; --rank is the average at the end (default: 1.5 · rank)'],
  adaloraTinit: [method, 'adalora: steps before ranks are taken away (default: 10 % of the run)'],
  adaloraTfinal: [method, 'adalora: steps at the end with fixed ranks (default: 50 % of the run)'],
  adaloraDeltaT: [method, 'adalora: steps between two allocations of ranks'],
  adaloraBeta1: [method, 'adalora: smoothing of the sensitivity'],
  adaloraBeta2: [method, 'adalora: smoothing of the uncertainty'],
  adaloraOrthogonality: [method, 'adalora: weight of the orthogonality term'],
  veraInitial: [method, 'vera: first value of d'],
  reduction: [method, 'houlsby, pfeiffer: width of the model over width of the bottleneck'],
  select: [selection, 'how modules are chosen; not given: diffora with that method, else all targets'],
  keep: [selection, 'share of the modules to keep, ρ'],
  budget: [selection, 'most trainable numbers of the kept adapters, in the place of --keep'],
  scope: [selection, 'keep the share in each row, over the whole matrix, or the same columns in every row'],
  share: [selection, 'modules that are not kept share one pair a column, or get none (default: none)'],
  dam: [selection, 'take the matrix of this dam.json and do not select'],
  start: [selection, 'fine-tune from fresh A and B, or from those of the search'],
  searchEpochs: [search, 'passes of the search over its half of the training data'],
  searchSteps: [search, 'steps of the search, in the place of --search-epochs'],
  searchSeeds: [search, 'searches with seeds one after the other; their matrices are averaged'],
  searchOrder: [search, 'derivative of the bi-level problem: first order, or second (exact, slower)'],
  relax: [search, 'how the matrix is made continuous'],
  damOptimizer: [search, 'how the logits of the matrix are moved'],
  damInit: [search, 'where the logits start'],
  damLr: [search, 'learning rate of the matrix'],
  entropyWeight: [search, 'weight of the entropy of the matrix, reached at the last step'],
  epochs: [training, 'passes over the training data'],
  maxSteps: [training, 'end after this many steps if that is sooner'],
  batchSize: [training, 'examples in a step'],
  accumulate: [training, 'parts that a batch is cut into, one after the other: less memory, the same gradients'],
  gradientCheckpointing: [
    training,
    'compute activations again in the backward pass: less memory, slower, same gradients',
  ],
  lr: [training, 'peak learning rate (default: by method, 5e-4 for lora)'],
  labelSmoothing: [training, 'share of a target that is spread over all classes'],
  classWeights: [training, 'weights of the classes: spam=2,ham=1, or balanced (inverse to their counts)'],
  headLr: [training, 'peak learning rate of the head (default: that of all)'],
  weightDecay: [training, 'decoupled weight decay of matrices; biases, norms and other vectors have none'],
  headWeightDecay: [training, 'weight decay of the head (default: that of all)'],
  warmupRatio: [training, 'share of the steps in which the rate rises'],
  schedule: [training, 'how the rate goes after that: falls to 0 linearly or as a cosine, or stays'],
  maxGradNorm: [training, 'gradients are clipped to this global norm'],
  maxSkippedSteps: [training, 'steps that may be left out because loss or gradient is not finite; then it stops'],
  dropout: [training, 'dropout of the base model: a rate, or model for its own'],
  evalSteps: [training, 'score the dev split, or the held-out share, every so many steps'],
  earlyStopping: [training, 'stop after so many evaluations in a row that are no better (patience)'],
  keepBest: [training, 'write the adapter of the best evaluation, not the last (default: with --eval-steps)'],
  saveSteps: [saving, 'steps between two checkpoints in DIR/checkpoints (default: none, all or nothing)'],
  keepCheckpoints: [saving, 'checkpoints that stay while the run goes on'],
  seed: [training, 'of data order, initialisation and dropout'],
  log: [training, `logs beside metrics.jsonl, with commas: ${logNames.join(', ')}`],
  logDir: [training, 'folder of logs that are files (default: the output with -logs)'],
  threads: [training, 'CPU threads'],
  memoryLimit: [
    training,
    'GB that a run may take by its estimate; more is refused (default: a warning where that is more than is free)',
  ],
};

export const trainKeys = Object.keys(flags) as TrainKey[];

/** `maxSteps` → `--max-steps`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Adds the flags of these settings. Their defaults are only shown, so that a `--config` file is not overruled. */
export function addTrainFlags(command: Command, keys: readonly TrainKey[]): void {
  for (const key of keys) {
    const [group, description] = flags[key];
    const shape = shapes[key]!;
    const usual = shape.default === undefined ? '' : ` (default: ${String(shape.default)})`;
    const choices = hasManyChoices(shape) ? `: ${shape.enum!.join(', ')}` : '';
    if (shape.type === 'boolean') {
      command.addOption(new Option(flagOf(key), `${description}${usual}`).helpGroup(group));
      command.addOption(
        new Option(flagOf(key).replace('--', '--no-'), `the contrary of ${flagOf(key)}`).helpGroup(group),
      );
      continue;
    }
    const option = new Option(`${flagOf(key)} <${placeholder(shape)}>`, `${description}${choices}${usual}`);
    command.addOption(option.helpGroup(group).argParser((text) => parseSetting(key, text)));
  }
}

/** The settings among a command's options, of those that were given. */
export function givenSettings(options: Readonly<Record<string, unknown>>): Partial<TrainConfigInput> {
  return Object.fromEntries(trainKeys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]));
}

/** The part of JSON Schema that the settings use. */
interface Shape {
  /** A boolean is a flag without a value. */
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
  readonly default?: unknown;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Shape[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

const shapes = z.toJSONSchema(trainSchema, { io: 'input' }).properties as Readonly<Record<string, Shape>>;

/** More than fits before the descriptions of a narrow terminal. */
function hasManyChoices(shape: Shape): boolean {
  return shape.enum !== undefined && shape.enum.join('|').length > 32;
}

function placeholder(shape: Shape): string {
  if (hasManyChoices(shape)) return 'name';
  if (shape.anyOf !== undefined) return shape.anyOf.map(placeholder).join('|');
  if (shape.const !== undefined) return shape.const;
  if (shape.enum !== undefined) return shape.enum.join('|');
  const names = {
    string: 'text',
    boolean: 'true|false',
    number: 'number',
    integer: 'count',
    array: 'names',
    object: 'name=number',
  } as const;
  return names[shape.type ?? 'string'];
}

/** @throws DiffoError (usage) that says what the flag takes */
function parseSetting(key: TrainKey, text: string): unknown {
  const shape = shapes[key]!;
  const candidates = (shape.anyOf ?? [shape]).map(({ type }) => readValue(type, text));
  for (const candidate of candidates) {
    const parsed = trainSchema.shape[key].safeParse(candidate);
    if (candidate !== undefined && parsed.success) return candidate;
  }
  const nearest = shape.enum === undefined ? '' : ` Did you mean ${nearestNames(text, shape.enum, 1)[0]}?`;
  throw usageError(`${flagOf(key)} ${text === '' ? "''" : text}: it takes ${expectation(shape)}.${nearest}`);
}

function readValue(type: Shape['type'], text: string): unknown {
  switch (type) {
    case 'number':
    case 'integer':
      return text.trim() === '' || !Number.isFinite(Number(text)) ? undefined : Number(text);
    case 'array':
      return text
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '');
    case 'object':
      return readPairs(text);
    default:
      return text === '' ? undefined : text;
  }
}

/** `query=4,key=8` as a record; undefined where it is not of that form. */
function readPairs(text: string): Record<string, number> | undefined {
  const pairs = text.split(',').map((pair) => /^\s*([^=\s]+)\s*=\s*(\S+)\s*$/.exec(pair));
  if (pairs.some((match) => match === null || !Number.isFinite(Number(match[2])))) return undefined;
  return Object.fromEntries(pairs.map((match) => [match![1]!, Number(match![2])]));
}

/** `a whole number of at least 1`, `one of head, lora, diffora`. */
function expectation(shape: Shape): string {
  if (shape.anyOf !== undefined) return shape.anyOf.map(expectation).join(' or ');
  if (shape.const !== undefined) return shape.const;
  if (shape.enum !== undefined) return `one of ${shape.enum.join(', ')}`;
  if (shape.type === 'array') return 'names with commas between them';
  if (shape.type === 'object') return 'names with numbers: query=4,key=8';
  if (shape.type === 'string') return 'a text';
  const bounds = [
    shape.exclusiveMinimum === undefined ? '' : `above ${shape.exclusiveMinimum}`,
    shape.minimum === undefined ? '' : `of at least ${shape.minimum}`,
    shape.exclusiveMaximum === undefined ? '' : `below ${shape.exclusiveMaximum}`,
    shape.maximum === undefined || shape.maximum === Number.MAX_SAFE_INTEGER ? '' : `of at most ${shape.maximum}`,
  ].filter((bound) => bound !== '');
  return `a ${shape.type === 'integer' ? 'whole number' : 'number'} ${bounds.join(' and ')}`.trim();
}
