import type { TrainingOptions } from '../engine/training.js';
import type { OptimisationConfig, RunConfig } from './config.js';
import { dropoutRateOf } from './dropoutRate.js';

/** What steps are made of; what a run keeps of the layers below them is left out. */
export type StepConfig = Omit<OptimisationConfig, 'cachePrefix' | 'cachePrefixLimit' | 'cachePrefixType'>;

/** What the loop reads of a configuration. @param learningRate its peak */
export function trainingOptionsOf(
  optimisation: StepConfig,
  learningRate: number,
  run: Pick<RunConfig, 'seed' | 'threads'>,
): Omit<TrainingOptions, 'objective'> {
  return {
    steps: (stepsPerEpoch) => trainingSteps(optimisation, stepsPerEpoch),
    batchSize: optimisation.batchSize,
    parts: optimisation.accumulate,
    gradientCheckpointing: optimisation.gradientCheckpointing,
    seed: run.seed,
    learningRate,
    weightDecay: optimisation.weightDecay,
    warmupRatio: optimisation.warmupRatio,
    schedule: optimisation.schedule,
    maxGradNorm: optimisation.maxGradNorm,
    maxSkippedSteps: optimisation.maxSkippedSteps,
    dropoutRate: dropoutRateOf(optimisation),
    threads: run.threads,
  };
}

/** Optimiser steps of a run. */
export function trainingSteps(
  { epochs, maxSteps }: Pick<OptimisationConfig, 'epochs' | 'maxSteps'>,
  stepsPerEpoch: number,
): number {
  const byEpochs = Math.max(1, Math.round(epochs * stepsPerEpoch));
  return Math.min(byEpochs, maxSteps ?? byEpochs);
}
