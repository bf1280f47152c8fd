import type { AdapterPlan } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import type { Work } from '../progress.js';
import type { Shared } from './accumulate.js';
import type { EncodedExample } from './batch.js';
import { BatchStream } from './batchStream.js';
import type { FrozenPrefix } from './frozenPrefix.js';
import { type LoopCompany, runLoop } from './loop.js';
import type { Objective } from './objective.js';
import { type Parameter, trainedOf } from './parameters.js';
import { learningRates, type ScheduleName } from './schedule.js';
import { weightUpdate } from './weightUpdate.js';

/** One optimiser step, as metrics.jsonl records it. */
export interface TrainStep {
  readonly step: number;
  readonly totalSteps: number;
  /** Null where the step was left out. */
  readonly loss: number | null;
  readonly learningRate: number;
  /** Global norm of the gradients before clipping; null where the step was left out. */
  readonly gradientNorm: number | null;
  /** The step changed nothing: loss or gradient was not finite, or the batch had no label. */
  readonly skipped?: true;
}

export interface TrainingOptions extends LoopCompany {
  /** In messages; default `training`. */
  readonly name?: string | undefined;
  readonly objective: Objective;
  /** Optimiser steps, by how many there are in an epoch. */
  readonly steps: (stepsPerEpoch: number) => number;
  /** Examples of an optimiser step. */
  readonly batchSize: number;
  /** See WeightUpdateOptions. */
  readonly parts?: number;
  /** See WeightUpdateOptions. */
  readonly shared?: Shared | undefined;
  /** See GradientStepOptions. */
  readonly gradientCheckpointing?: boolean | undefined;
  /** See GradientStepOptions. */
  readonly prefix?: FrozenPrefix | undefined;
  readonly seed: number;
  /** Peak learning rate. */
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly warmupRatio: number;
  /** Default `linear`. */
  readonly schedule?: ScheduleName;
  readonly maxGradNorm: number;
  /** In the place of the model's own dropout rates. */
  readonly dropoutRate?: number | undefined;
  readonly threads: number;
  /** See WeightUpdateOptions. */
  readonly residentFrom?: number | undefined;
  readonly onStep?: ((step: TrainStep, work: Work) => void) | undefined;
}

/**
 * Trains parameters in place: one update of the weights a step (see `weightUpdate`), in the loop that leaves out what is
 * not finite and saves what a checkpoint needs (see `runLoop`).
 * @throws NotFiniteError after too many steps that are not finite, or when the parameters are not finite at the end
 */
export async function trainParameters(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  options: TrainingOptions,
): Promise<void> {
  const { objective, batchSize, seed, onStep, name = 'training' } = options;
  const { maxSkippedSteps, signal, warn, watch, stage } = options;
  const batches = new BatchStream(examples, { batchSize, seed, objective, padTokenId: model.padTokenId });
  const totalSteps = options.steps(batches.stepsPerEpoch);
  const trained = trainedOf(parameters);
  const rate = learningRates({
    schedule: options.schedule ?? 'linear',
    peak: options.learningRate,
    totalSteps,
    warmupSteps: Math.ceil(options.warmupRatio * totalSteps),
  });
  const weights = weightUpdate(model, {
    objective,
    plan,
    parameters,
    trained,
    batches,
    parts: options.parts,
    shared: options.shared,
    rate,
    weightDecay: options.weightDecay,
    maxGradNorm: options.maxGradNorm,
    control: plan.control?.(totalSteps),
    dropoutSeed: seed,
    dropoutRate: options.dropoutRate,
    gradientCheckpointing: options.gradientCheckpointing,
    prefix: options.prefix,
    threads: options.threads,
    residentFrom: options.residentFrom,
    warn,
  });
  await runLoop({
    name,
    steps: totalSteps,
    updates: [weights],
    trained,
    maxSkippedSteps,
    signal,
    warn,
    watch,
    stage,
    agree: options.agree,
    onStep: (step, [outcome], work) => {
      const learningRate = rate(step);
      onStep?.(
        outcome?.kind === 'done'
          ? { step, totalSteps, loss: outcome.loss, learningRate, gradientNorm: outcome.gradientNorm }
          : { step, totalSteps, loss: null, learningRate, gradientNorm: null, skipped: true },
        work,
      );
    },
  });
}
