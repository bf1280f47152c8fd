import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample, TaskKind } from '../data/types.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import { adamW, clipGlobalNorm } from './adamw.js';
import { BatchStream } from './batchStream.js';
import { openGradientStep } from './gradientStep.js';
import { type Parameter, trainedOf } from './parameters.js';
import { type ScheduleName, scheduleFactor } from './schedule.js';

/** One optimiser step, as metrics.jsonl records it. */
export interface TrainStep {
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number;
  readonly learningRate: number;
  /** Global norm of the gradients before clipping. */
  readonly gradientNorm: number;
}

export interface TrainingOptions {
  readonly kind: TaskKind;
  /** Optimiser steps, by how many there are in an epoch. */
  readonly steps: (stepsPerEpoch: number) => number;
  readonly batchSize: number;
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
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: TrainStep) => void) | undefined;
}

/**
 * Trains parameters in place: AdamW, a schedule with warm-up, global-norm clipping, and after each step what the
 * plan's method does to its tensors.
 * @throws DiffoError when the loss is no longer finite
 */
export async function trainParameters(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  options: TrainingOptions,
): Promise<void> {
  const { kind, batchSize, seed, threads, signal, onStep, schedule = 'linear' } = options;
  const stream = new BatchStream(examples, { batchSize, seed, kind, padTokenId: model.padTokenId });
  const totalSteps = options.steps(stream.stepsPerEpoch);
  const warmupSteps = Math.ceil(options.warmupRatio * totalSteps);
  const trained = trainedOf(parameters);
  const optimizer = adamW(trained, { weightDecay: options.weightDecay });
  const control = plan.control?.(totalSteps);
  const gradientStep = await openGradientStep(model, {
    kind,
    plan,
    parameters,
    wrt: trained,
    dropoutSeed: seed,
    dropoutRate: options.dropoutRate,
    threads,
    largestBatch: stream.largest,
  });
  const indices = new Map(trained.map(({ name }, i) => [name, i]));
  try {
    for (let step = 0; step < totalSteps; step++) {
      signal?.throwIfAborted();
      const loss = await gradientStep.run(stream.at(step), step);
      const gradientNorm = clipGlobalNorm(gradientStep.gradients, options.maxGradNorm);
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        throw new DiffoError(
          `Training diverged at step ${step} (loss ${loss}); a lower --lr than ${options.learningRate} is needed.`,
        );
      }
      // Step 0 of a warm-up would have rate 0 and change nothing, so the schedule is read one step ahead.
      const learningRate = options.learningRate * scheduleFactor(schedule, step + 1, totalSteps + 1, warmupSteps);
      optimizer.step(gradientStep.gradients, learningRate);
      control?.afterStep(
        step + 1,
        (name) => trained[indices.get(name)!]!.values,
        (name) => gradientStep.gradients[indices.get(name)!]!,
      );
      onStep?.({ step, totalSteps, loss, learningRate, gradientNorm });
    }
  } finally {
    await gradientStep.release();
  }
}
