import * as z from 'zod';
import { usualSkippedSteps } from '../engine/notFinite.js';
import { stateTypes } from '../engine/prefixStates.js';
import { schedules } from '../engine/schedule.js';
import { preferenceLossNames } from '../tasks/preference/losses.js';

/** Steps, rates, the loss, and evaluations on the way. */
export const optimisationSettings = {
  epochs: z.number().positive().default(3).describe('passes over the training data'),
  maxSteps: z.int().positive().optional().describe('end after this many steps if that is sooner'),
  batchSize: z.int().positive().default(16).describe('examples in a step'),
  accumulate: z
    .int()
    .positive()
    .default(1)
    .describe('parts that a batch is cut into, one after the other: less memory, the same gradients'),
  gradientCheckpointing: z
    .boolean()
    .default(false)
    .describe('compute activations again in the backward pass: less memory, slower, same gradients'),
  cachePrefix: z
    .enum(['none', 'memory', 'disk'])
    .default('none')
    .describe('compute what the layers below the lowest trained one give once for each example, and keep it'),
  cachePrefixLimit: z.number().positive().default(1).describe('GB that this may take; the rest is computed every time'),
  cachePrefixType: z.enum(stateTypes).default('float32').describe('type in which it is kept'),
  lr: z.number().positive().optional().describe('peak learning rate (default: by method, 5e-4 for lora)'),
  loss: z
    .enum(preferenceLossNames)
    .optional()
    .describe(
      'preferences: what is learned of two answers, by the name that TRL gives it (default: sigmoid, which is DPO; kto for answers with a label)',
    ),
  beta: z
    .number()
    .positive()
    .optional()
    .describe('preferences: how much a change of log-likelihood counts as reward (default: 0.1, with simpo 2)'),
  simpoGamma: z
    .number()
    .nonnegative()
    .optional()
    .describe('preferences, loss simpo: by how much the chosen answer is to be worth more (default: 1)'),
  desirableWeight: z
    .number()
    .positive()
    .optional()
    .describe('preferences, loss kto: what the loss of a good answer counts (default: 1)'),
  undesirableWeight: z
    .number()
    .positive()
    .optional()
    .describe('preferences, loss kto: what the loss of a bad answer counts (default: 1)'),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe(
      'share of a target that is spread over all classes; of preferences, how likely one is the wrong way round',
    ),
  classWeights: z
    .union([z.literal('balanced'), z.record(z.string(), z.number().positive())])
    .optional()
    .describe('weights of the classes: spam=2,ham=1, or balanced (inverse to their counts)'),
  headLr: z.number().positive().optional().describe('peak learning rate of the head (default: that of all)'),
  weightDecay: z
    .number()
    .nonnegative()
    .default(0.01)
    .describe('decoupled weight decay of matrices; biases, norms and other vectors have none'),
  headWeightDecay: z.number().nonnegative().optional().describe('weight decay of the head (default: that of all)'),
  warmupRatio: z.number().min(0).max(1).default(0.06).describe('share of the steps in which the rate rises'),
  schedule: z
    .enum(schedules)
    .default('linear')
    .describe('how the rate goes after that: falls to 0 linearly or as a cosine, or stays'),
  maxGradNorm: z.number().positive().default(1).describe('gradients are clipped to this global norm'),
  maxSkippedSteps: z
    .int()
    .nonnegative()
    .default(usualSkippedSteps)
    .describe('steps that may be left out because loss or gradient is not finite; then it stops'),
  dropout: z
    .union([z.literal('model'), z.number().min(0).lt(1)])
    .default(0)
    .describe('dropout of the base model: a rate, or model for its own'),
  evalSteps: z.int().positive().optional().describe('score the dev split, or the held-out share, every so many steps'),
  earlyStopping: z
    .int()
    .positive()
    .optional()
    .describe('stop after so many evaluations in a row that are no better (patience)'),
  keepBest: z
    .boolean()
    .optional()
    .describe('write the adapter of the best evaluation, not the last (default: with --eval-steps)'),
};
