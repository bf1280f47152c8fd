import * as z from 'zod';
import { loraDefaults, loraSettings, usualLora } from '../adapters/loraSettings.js';
import { usageError } from '../errors.js';
import { firstFault } from '../files/faults.js';
import { headParts } from '../models/model.js';
import { searchSettings } from '../selection/methods/diffora.js';
import { optimisationSettings } from '../settings/optimisation.js';

const { rank, alpha, loraDropout } = loraSettings;
const { epochs, maxSteps, batchSize, accumulate, gradientCheckpointing, lr, labelSmoothing, classWeights } =
  optimisationSettings;
const { headLr, weightDecay, headWeightDecay, warmupRatio, schedule, maxGradNorm, maxSkippedSteps, dropout } =
  optimisationSettings;
const { keep, scope, searchShare, searchEpochs, searchSteps, searchSeeds, searchTeam, searchOrder } = searchSettings;
const { relax, damOptimizer, damInit, damLr, searchPatience, entropyWeight } = searchSettings;

/** Settings of a training in a tab: those of the command line, with the same names, ranges and defaults. */
const schema = z.strictObject({
  method: z.enum(['diffora', 'lora']).default('diffora'),
  head: z.enum(headParts).default('all'),
  targets: z.array(z.string()).min(1).default(['all']),
  maxLength: z.int().positive().optional(),
  seed: z.int().nonnegative().default(1),
  ...{ rank, alpha, loraDropout },
  ...{ epochs, maxSteps, batchSize, accumulate, gradientCheckpointing, lr, labelSmoothing, classWeights },
  ...{ headLr, weightDecay, headWeightDecay, warmupRatio, schedule, maxGradNorm, maxSkippedSteps, dropout },
  ...{ keep, scope, searchShare, searchEpochs, searchSteps, searchSeeds, searchTeam, searchOrder },
  ...{ relax, damOptimizer, damInit, damLr, searchPatience, entropyWeight },
});

/**
 * Settings of a training in a tab; all may be left out. `method`: `diffora` (the default) learns which modules get an
 * adapter, `lora` adapts all `targets`.
 */
export type TrainSettings = z.input<typeof schema>;

/** The settings, none open. */
export type CheckedSettings = ReturnType<typeof checkSettings>;

/** @throws DiffoError (usage) for a setting that is not known, or a value out of its range */
export function checkSettings(given: TrainSettings) {
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const parsed = schema.safeParse(said);
  if (!parsed.success) throw usageError(`settings: ${firstFault(parsed.error, schema, said)}.`);
  const { rank: r = usualLora.rank, lr: rate = usualLora.lr, ...rest } = parsed.data;
  return { ...rest, rank: r, lr: rate, alpha: rest.alpha ?? loraDefaults.alpha(r) };
}
