import * as z from 'zod';
import { sharings } from './dam.js';
import { measuresPer, scopes } from './discretise.js';
import { prices } from './price.js';

/** How much is kept; a method takes those of these settings that it reads. */
export const allowanceSettings = {
  keep: z.number().gt(0).max(1).default(0.67).describe('share of the modules to keep, ρ'),
  budget: z.int().positive().optional().describe('most trainable numbers of the kept adapters, in the place of --keep'),
  scope: z
    .enum(scopes)
    .default('row')
    .describe('keep the share in each row, over the whole matrix, or the same columns in every row'),
};

/** What a measure is held against; for methods whose measures are of one sign, 0 being the least. */
export const measureSettings = {
  measurePer: z
    .enum(measuresPer)
    .optional()
    .describe(
      'keep the modules with the largest measure, or with the largest for each trainable number (default: the latter where --budget, or --parameters below rank 1, decides)',
    ),
};

/** The time that a step may take; for methods whose largest values are kept. */
export const stepTimeSettings = {
  maxStepTime: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe(
      'share of the time of a step of LoRA on all modules that one may take, counted; solves for --price-weight',
    ),
};

/** What modules cost, in the loss of a search and in the choice. */
export const priceSettings = {
  price: z.enum(prices).optional().describe('weigh modules against the time or the memory that they cost'),
  priceWeight: z
    .number()
    .nonnegative()
    .default(0.01)
    .describe('weight λ of the price, that of LoRA on all modules being 1'),
};

/** What becomes of the modules that are not kept. */
export const sharingSettings = {
  share: z
    .enum(sharings)
    .optional()
    .describe('modules that are not kept share one pair a column, or get none (default: by selection, mostly none)'),
};

/** Of methods that train before they choose: how long, and whether the fine-tuning takes over what they trained. */
export const trainingSettings = {
  start: z
    .enum(['fresh', 'search'])
    .default('fresh')
    .describe('fine-tune from fresh A and B, or from those of the search'),
  searchShare: z
    .number()
    .positive()
    .default(0.3)
    .describe(
      'passes through the model that the search or the joint run may take, as a share of those of the fine-tuning',
    ),
  searchEpochs: z
    .number()
    .positive()
    .optional()
    .describe(
      'passes of the search or the joint run over its half of the training data, in the place of --search-share',
    ),
  searchSteps: z.int().positive().optional().describe('steps of the search, in the place of --search-share'),
};

/** Settings of a run beside its selection that a method may read, too. */
export type SharedSetting =
  | 'targets'
  | 'rank'
  | 'alpha'
  | 'loraDropout'
  | 'head'
  | 'epochs'
  | 'maxSteps'
  | 'batchSize'
  | 'gradientCheckpointing'
  | 'lr'
  | 'headLr'
  | 'weightDecay'
  | 'headWeightDecay'
  | 'warmupRatio'
  | 'schedule'
  | 'maxGradNorm'
  | 'maxSkippedSteps'
  | 'dropout';

/** Those of a search, which trains LoRA too, decays nothing, and whose schedule is linear. */
export const searchReads = [
  'rank',
  'alpha',
  'loraDropout',
  'head',
  'epochs',
  'maxSteps',
  'batchSize',
  'gradientCheckpointing',
  'lr',
  'headLr',
  'warmupRatio',
  'maxGradNorm',
  'maxSkippedSteps',
  'dropout',
] as const satisfies readonly SharedSetting[];

/** Those of a short run of LoRA on all modules (jointRun.ts). */
export const jointRunReads = [
  ...searchReads,
  'weightDecay',
  'headWeightDecay',
  'schedule',
] as const satisfies readonly SharedSetting[];
