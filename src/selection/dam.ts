import * as z from 'zod';
import type { AdaptableModule } from '../models/model.js';
import { damOptimizers } from './damOptimizer.js';
import { damStarts } from './damStart.js';
import { allScopes, measuresPer } from './discretise.js';
import { type GridModel, gridOf } from './grid.js';
import { prices } from './price.js';
import { relaxations } from './relax.js';

/** What becomes of modules that are not kept: nothing, or one pair for each column. */
export const sharings = ['none', 'column'] as const;
/** What becomes of modules that are not kept. */
export type Sharing = (typeof sharings)[number];

/** Order of the derivative of the bi-level search. */
export const searchOrders = ['first', 'second'] as const;
export type SearchOrder = (typeof searchOrders)[number];

const ratio = z.number();
const matrix = z.array(z.array(ratio));
const binary = z.array(z.array(z.union([z.literal(0), z.literal(1)])));

/** A step of the search, as dam.json records it. */
export const searchStepSchema = z.strictObject({
  step: z.int(),
  /** Null where the loss or its gradient was not finite: what would have learned from it stayed as it was. */
  validationLoss: ratio.nullable(),
  trainLoss: ratio.nullable(),
  /** 1 where nothing has been learned, 0 where the matrix is binary. */
  entropy: ratio,
  /** Standard deviation of the logits: how far the search has moved entries apart. */
  spread: ratio,
  /** One of the losses is null. */
  skipped: z.literal(true).optional(),
});
export type SearchStep = Readonly<z.infer<typeof searchStepSchema>>;

/** dam.json: the Differential Adaptation Matrix with all that it came from (docs/formats.md). */
export const damSchema = z.strictObject({
  format: z.literal('diffora-dam/2'),
  /** The selection method. */
  select: z.string(),
  /** Number of rows. */
  layers: z.int().positive(),
  /** Column names, in the order of computation. */
  modules: z.array(z.string()),
  /** Γ: 1 where the module gets an adapter of its own. */
  gamma: binary,
  /** Names of the rows, where they are not layers of one kind: those of the encoder and then of the decoder. */
  rows: z.array(z.string()).optional(),
  /** 1 where a module stands; left out, every layer has one of each column. */
  there: binary.optional(),
  /** What was discretised: Γ̄ of DiffoRA, or another method's measure of a module. */
  values: matrix,
  /** The selection ratio ρ. */
  keep: ratio,
  /** Most trainable numbers, in the place of the ratio. */
  budget: z.int().optional(),
  /** Trainable numbers that the kept modules had to fit in at rank 1, beside the ratio. */
  parameters: z.int().optional(),
  /** Where the measures were held against trainable numbers. */
  measurePer: z.enum(measuresPer).optional(),
  scope: z.enum(allScopes),
  share: z.enum(sharings),
  seed: z.int(),
  /** Where modules were weighed against what they cost. */
  price: z
    .strictObject({
      of: z.enum(prices),
      /** λ: that of the settings, or the one that was solved for. */
      weight: ratio,
      /** What a step costs with these modules, counted from its graph, as a share of LoRA on all modules. */
      share: ratio,
      /** What it might cost at most, where λ was solved for. */
      limit: ratio.optional(),
    })
    .optional(),
  /** DiffoRA: how the matrix was learned. */
  search: z
    .strictObject({
      relax: z.enum(relaxations),
      /** Of the first seed. */
      logits: matrix,
      order: z.enum(searchOrders),
      optimizer: z.enum(damOptimizers),
      start: z.enum(damStarts),
      entropyWeight: ratio,
      steps: z.int().nonnegative(),
      learningRate: ratio,
      damLearningRate: ratio,
      batchSize: z.int(),
      trainExamples: z.int(),
      validationExamples: z.int(),
      /**
       * Γ of each seed of the search, after how many steps it ended where that was before the last, and how far the seeds
       * agree: the mean Jaccard index of every two of them.
       */
      seeds: z.array(z.strictObject({ seed: z.int(), gamma: binary, stoppedAt: z.int().optional() })),
      agreement: ratio.optional(),
      /** Searches that shared the matrix, and the mean Jaccard index of what every two of them would have kept alone. */
      team: z.int().optional(),
      teamAgreement: ratio.optional(),
      /** One record for every step of the first seed. */
      history: z.array(searchStepSchema),
    })
    .optional(),
  /** The base model and the task that it was learned on. */
  model: z.string(),
  task: z.string(),
});

/** The Differential Adaptation Matrix with all that it came from: dam.json. */
export type Dam = z.infer<typeof damSchema>;

/** The modules that Γ keeps, and the rest, in the model's order. */
export function splitByGamma(model: GridModel, gamma: readonly (readonly number[])[]) {
  const grid = gridOf(model);
  const isKept = (module: AdaptableModule) => grid.at(gamma, module) === 1;
  return { kept: model.adaptable.filter(isKept), rest: model.adaptable.filter((module) => !isKept(module)) };
}
