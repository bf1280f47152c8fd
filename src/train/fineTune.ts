import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample, TaskKind } from '../data/types.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import { adamW, clipGlobalNorm } from '../optimize/adamw.js';
import { BatchStream } from '../optimize/batchStream.js';
import { openGradientStep } from '../optimize/gradientStep.js';
import type { Parameter } from '../optimize/parameters.js';
import { linearSchedule } from '../optimize/schedule.js';
import { dropoutRateOf, type TrainConfig } from './config.js';

/** One optimiser step, as metrics.jsonl records it. */
export interface TrainStep {
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number;
  readonly learningRate: number;
  /** Global norm of the gradients before clipping. */
  readonly gradientNorm: number;
}

export interface FineTuneOptions {
  readonly kind: TaskKind;
  readonly config: TrainConfig;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: TrainStep) => void) | undefined;
}

/**
 * Trains the parameters of a plan and its head in place: AdamW, linear schedule with warm-up, global-norm clipping.
 * @throws DiffoError when the loss is no longer finite
 */
export async function fineTune(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  { kind, config, signal, onStep }: FineTuneOptions,
): Promise<void> {
  const { batchSize, seed, threads } = config;
  const stream = new BatchStream(examples, { batchSize, seed, kind, padTokenId: model.padTokenId });
  const totalSteps = trainingSteps(config, stream.stepsPerEpoch);
  const warmupSteps = Math.ceil(config.warmupRatio * totalSteps);
  const optimizer = adamW(parameters, { weightDecay: config.weightDecay });
  const gradientStep = await openGradientStep(model, {
    kind,
    plan,
    parameters,
    wrt: parameters,
    dropoutSeed: seed,
    dropoutRate: dropoutRateOf(config),
    threads,
    largestBatch: stream.largest,
  });
  try {
    for (let step = 0; step < totalSteps; step++) {
      signal?.throwIfAborted();
      const loss = await gradientStep.run(stream.at(step), step);
      const gradientNorm = clipGlobalNorm(gradientStep.gradients, config.maxGradNorm);
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        throw new DiffoError(
          `Training diverged at step ${step} (loss ${loss}); a lower --lr than ${config.lr} is needed.`,
        );
      }
      // Step 0 of a warm-up would have rate 0 and change nothing, so the schedule is read one step ahead.
      const learningRate = config.lr * linearSchedule(step + 1, totalSteps + 1, warmupSteps);
      optimizer.step(gradientStep.gradients, learningRate);
      onStep?.({ step, totalSteps, loss, learningRate, gradientNorm });
    }
  } finally {
    await gradientStep.release();
  }
}

/** Optimiser steps of a run. */
export function trainingSteps(config: Pick<TrainConfig, 'epochs' | 'maxSteps'>, stepsPerEpoch: number): number {
  const byEpochs = Math.max(1, Math.round(config.epochs * stepsPerEpoch));
  return Math.min(byEpochs, config.maxSteps ?? byEpochs);
}
