import { type Command, Option } from 'commander';
import * as z from 'zod';
import { nearestNames, usageError } from '../errors.js';
import { type TrainConfigInput, trainSchema } from '../train/config.js';

export type TrainKey = keyof TrainConfigInput;

const data = 'Model and task:';
const method = 'Method:';
const diffora = 'DiffoRA:';
const training = 'Training:';

/** Heading and description of the flag of each setting. Types, ranges and defaults come from the schema. */
const flags: Readonly<Record<TrainKey, readonly [group: string, description: string]>> = {
  model: [data, 'hub name or folder of the base model'],
  task: [data, 'cola, mrpc, rte, spam, sst2, stsb, or a file: .csv, .tsv, .jsonl, or .yaml that describes one'],
  dataDir: [data, 'folder with a sub-folder for each known task (default: DIFFORA_DATA)'],
  textColumn: [data, 'column of the text in a data file (default: text, sentence or sentence1)'],
  pairColumn: [data, 'column of the second text (default: pair or sentence2 where there is one)'],
  labelColumn: [data, 'column of the label (default: label)'],
  trainExamples: [data, 'use this many training examples, drawn by seed and label (default: all)'],
  maxLength: [data, 'longest sequence in tokens; longer ones are cut'],
  method: [method, 'what is trained'],
  head: [method, 'part of the head that is trained: classifier, as PEFT does, or all, the pooler too'],
  targets: [method, 'modules that may be adapted, with commas: ends of module paths, or all'],
  rank: [method, 'rank r of A and B'],
  alpha: [method, 'adapters are scaled by alpha / rank (default: 2 · rank)'],
  keep: [diffora, 'share of the modules to keep, ρ'],
  relax: [diffora, 'how the matrix is made continuous'],
  scope: [diffora, 'keep the share in each row, or over the whole matrix'],
  share: [diffora, 'modules that are not kept share one pair for each column, or get none'],
  start: [diffora, 'fine-tune from fresh A and B, or from those of the search'],
  searchEpochs: [diffora, 'passes of the search over its half of the training data'],
  searchSteps: [diffora, 'steps of the search, in the place of --search-epochs'],
  damLr: [diffora, 'learning rate of the matrix'],
  dam: [diffora, 'take the matrix of this dam.json and do not search'],
  epochs: [training, 'passes over the training data'],
  maxSteps: [training, 'end after this many steps if that is sooner'],
  batchSize: [training, 'examples in a step'],
  lr: [training, 'peak learning rate'],
  weightDecay: [training, 'decoupled weight decay'],
  warmupRatio: [training, 'share of the steps in which the rate rises'],
  maxGradNorm: [training, 'gradients are clipped to this global norm'],
  dropout: [training, 'dropout of the base model: a rate, or model for its own'],
  seed: [training, 'of data order, initialisation and dropout'],
  threads: [training, 'CPU threads'],
};

export const trainKeys = Object.keys(flags) as TrainKey[];

/** Default of `--threads`. */
export const usualThreads = trainSchema.shape.threads.parse(undefined);

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
    const option = new Option(`${flagOf(key)} <${placeholder(shape)}>`, `${description}${usual}`);
    command.addOption(option.helpGroup(group).argParser((text) => parseSetting(key, text)));
  }
}

/** The settings among a command's options, of those that were given. */
export function givenSettings(options: Readonly<Record<string, unknown>>): Partial<TrainConfigInput> {
  return Object.fromEntries(trainKeys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]));
}

/** The part of JSON Schema that the settings use. */
interface Shape {
  readonly type?: 'string' | 'number' | 'integer' | 'array';
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

function placeholder(shape: Shape): string {
  if (shape.anyOf !== undefined) return shape.anyOf.map(placeholder).join('|');
  if (shape.const !== undefined) return shape.const;
  if (shape.enum !== undefined) return shape.enum.join('|');
  const names = { string: 'text', number: 'number', integer: 'count', array: 'names' } as const;
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
    default:
      return text === '' ? undefined : text;
  }
}

/** `a whole number of at least 1`, `one of head, lora, diffora`. */
function expectation(shape: Shape): string {
  if (shape.anyOf !== undefined) return shape.anyOf.map(expectation).join(' or ');
  if (shape.const !== undefined) return shape.const;
  if (shape.enum !== undefined) return `one of ${shape.enum.join(', ')}`;
  if (shape.type === 'array') return 'names with commas between them';
  if (shape.type === 'string') return 'a text';
  const bounds = [
    shape.exclusiveMinimum === undefined ? '' : `above ${shape.exclusiveMinimum}`,
    shape.minimum === undefined ? '' : `of at least ${shape.minimum}`,
    shape.exclusiveMaximum === undefined ? '' : `below ${shape.exclusiveMaximum}`,
    shape.maximum === undefined || shape.maximum === Number.MAX_SAFE_INTEGER ? '' : `of at most ${shape.maximum}`,
  ].filter((bound) => bound !== '');
  return `a ${shape.type === 'integer' ? 'whole number' : 'number'} ${bounds.join(' and ')}`.trim();
}
