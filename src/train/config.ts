import { availableParallelism } from 'node:os';
import * as z from 'zod';
import { nearestNames, usageError } from '../errors.js';
import { headParts } from '../models/model.js';
import { sharings } from '../selection/dam.js';
import { scopes } from '../selection/discretise.js';
import { relaxations } from '../selection/relax.js';

/** What is trained: only the head, LoRA on the targets, or LoRA where DiffoRA decides. */
export const methods = ['head', 'lora', 'diffora'] as const;
export type Method = (typeof methods)[number];

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
  /** Part of the head that is trained: `classifier`, as PEFT does, or `all`, the pooler too. */
  head: z.enum(headParts).default('all'),
  /** Modules that may be adapted: ends of module paths, or `all`. */
  targets: z.array(z.string()).min(1).default(['all']),
  rank: z.int().min(1).default(8),
  /** Scale of the adapters is alpha / rank; default 2 · rank. */
  alpha: z.number().positive().optional(),

  /** DiffoRA: the selection ratio ρ. */
  keep: z.number().gt(0).max(1).default(0.5),
  relax: z.enum(relaxations).default('sigmoid'),
  scope: z.enum(scopes).default('row'),
  share: z.enum(sharings).default('none'),
  /** DiffoRA: fine-tune from fresh A and B, or from those of the search. */
  start: z.enum(['fresh', 'search']).default('fresh'),
  /** Passes of the search over the training half; `searchSteps` overrides. */
  searchEpochs: z.number().positive().default(1),
  searchSteps: z.int().positive().optional(),
  damLr: z.number().positive().default(0.03),
  /** DiffoRA: use the matrix of this dam.json instead of searching. */
  dam: z.string().optional(),

  epochs: z.number().positive().default(3),
  /** Stops earlier; the schedule then ends there. */
  maxSteps: z.int().positive().optional(),
  batchSize: z.int().positive().default(16),
  lr: z.number().positive().default(5e-4),
  weightDecay: z.number().nonnegative().default(0.01),
  warmupRatio: z.number().min(0).max(1).default(0.06),
  maxGradNorm: z.number().positive().default(1),
  /** Dropout of the base model while training: a rate for every site, or `model` for those of its config.json. */
  dropout: z.union([z.literal('model'), z.number().min(0).lt(1)]).default(0),
  /** Longest sequence in tokens. */
  maxLength: z.int().min(4).default(128),
  /** Use this many training examples, drawn by seed and label. */
  trainExamples: z.int().positive().optional(),
  seed: z.int().nonnegative().default(1),
  threads: z.int().positive().default(availableParallelism()),
});

export type TrainConfig = z.output<typeof trainSchema>;
export type TrainConfigInput = z.input<typeof trainSchema>;

/**
 * Checks a configuration and fills in defaults.
 * @param where what to blame in a message: a file, or the flags
 * @throws DiffoError (usage) that names the key, what is wrong, and the nearest known key for an unknown one
 */
export function parseTrainConfig(raw: unknown, where: string): TrainConfig {
  const parsed = trainSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const nearest = nearestNames(key, Object.keys(trainSchema.shape)).join(', ');
    throw usageError(`${where}: "${key}" is not a setting; nearest: ${nearest}.`);
  }
  throw usageError(`${where}: ${issue.path.join('.')}: ${issue.message}.`);
}

/** LoRA's alpha, with its default. */
export function alphaOf(config: Pick<TrainConfig, 'rank' | 'alpha'>): number {
  return config.alpha ?? 2 * config.rank;
}

/** The rate that replaces the model's own, if one does. */
export function dropoutRateOf(config: Pick<TrainConfig, 'dropout'>): number | undefined {
  return config.dropout === 'model' ? undefined : config.dropout;
}
