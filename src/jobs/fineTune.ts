import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample } from '../engine/batch.js';
import type { Watch } from '../engine/loop.js';
import type { Objective } from '../engine/objective.js';
import type { Parameter } from '../engine/parameters.js';
import { type TrainStep, trainParameters } from '../engine/training.js';
import type { Model } from '../models/model.js';
import type { Work } from '../progress.js';
import { dropoutRateOf, type TrainConfig } from '../settings/config.js';
import type { Stage } from '../state.js';

export interface FineTuneOptions {
  readonly objective: Objective;
  readonly config: TrainConfig;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: TrainStep, work: Work) => void) | undefined;
  readonly warn?: ((message: string) => void) | undefined;
  readonly watch?: Watch | undefined;
  readonly stage?: Stage | undefined;
}

/** Trains the parameters of a plan and its head in place, as a configuration says. */
export function fineTune(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  { config, ...options }: FineTuneOptions,
): Promise<void> {
  return trainParameters(model, plan, parameters, examples, {
    ...options,
    steps: (stepsPerEpoch) => trainingSteps(config, stepsPerEpoch),
    batchSize: config.batchSize,
    parts: config.accumulate,
    gradientCheckpointing: config.gradientCheckpointing,
    seed: config.seed,
    learningRate: config.lr,
    schedule: config.schedule,
    warmupRatio: config.warmupRatio,
    weightDecay: config.weightDecay,
    maxGradNorm: config.maxGradNorm,
    maxSkippedSteps: config.maxSkippedSteps,
    dropoutRate: dropoutRateOf(config),
    threads: config.threads,
  });
}

/** Optimiser steps of a run. */
export function trainingSteps(config: Pick<TrainConfig, 'epochs' | 'maxSteps'>, stepsPerEpoch: number): number {
  const byEpochs = Math.max(1, Math.round(config.epochs * stepsPerEpoch));
  return Math.min(byEpochs, config.maxSteps ?? byEpochs);
}
