import * as z from 'zod';
import { type BiasTraining, biasTrainings } from './biases.js';

/** What LoRA and its relatives are planned with. */
export interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  /** Rank and alpha of modules that differ, by path or an end of it. */
  readonly ranks?: Readonly<Record<string, number>> | undefined;
  readonly alphas?: Readonly<Record<string, number>> | undefined;
  /** Dropout on x before A. */
  readonly loraDropout?: number | undefined;
  /** B has a bias of its own, as adapters of others may have. */
  readonly loraBias?: boolean | undefined;
  /** Biases of the base model that are trained too. */
  readonly bias?: BiasTraining | undefined;
}

/** Settings that relatives of LoRA share. A method takes those that it reads; what is missing has its `defaults`. */
export const loraSettings = {
  rank: z.int().min(1).max(100_000).optional().describe('rank r of A and B'),
  alpha: z.number().positive().optional().describe('adapters are scaled by alpha / rank (default: 2 · rank)'),
  ranks: z
    .record(z.string(), z.int().min(1))
    .optional()
    .describe('ranks of modules that differ: query=4,layer.0.output.dense=16'),
  alphas: z
    .record(z.string(), z.number().positive())
    .optional()
    .describe('alphas of modules that differ, as for --ranks'),
  loraDropout: z.number().min(0).lt(1).default(0).describe('dropout on the input of low-rank adapters'),
  bias: z
    .enum(biasTrainings)
    .default('none')
    .describe('biases of the base model that are trained beside a low-rank adapter'),
};

/** Defaults of these settings that hang on the rank. */
export const loraDefaults = { alpha: (rank: number) => 2 * rank };

/** Of LoRA and its relatives, where nothing is said (docs/results/methods.md). */
export const usualLora = { lr: 5e-4, rank: 8 };
