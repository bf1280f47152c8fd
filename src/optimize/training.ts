import type { AdapterPlan } from '../adapters/plan.js';
import { IGNORED_LABEL } from '../data/labels.js';
import type { Batch, EncodedExample, TaskKind } from '../data/types.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import type { Work } from '../progress.js';
import { type Resumable, type Stage, together } from '../state.js';
import { adamW, clipGlobalNorm } from './adamw.js';
import { BatchStream } from './batchStream.js';
import { type GradientStep, openGradientStep } from './gradientStep.js';
import type { LossOptions } from './loss.js';
import { type Parameter, trainedOf, valuesState } from './parameters.js';
import { type ScheduleName, scheduleFactor } from './schedule.js';
import { WorkDone } from './work.js';

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
  readonly loss?: LossOptions | undefined;
  /** Optimiser steps, by how many there are in an epoch. */
  readonly steps: (stepsPerEpoch: number) => number;
  /** Examples of an optimiser step. */
  readonly batchSize: number;
  /** Parts that a batch is cut into, run one after the other: memory falls, gradients are the same. Default 1. */
  readonly parts?: number;
  /** See GradientStepOptions. */
  readonly gradientCheckpointing?: boolean | undefined;
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
  readonly onStep?: ((step: TrainStep, work: Work) => void) | undefined;
  /** Looks at the run between steps. */
  readonly watch?: Watch | undefined;
  /** Place of the training in the checkpoints of a run; left out, nothing is saved. */
  readonly stage?: Stage | undefined;
}

/** What looks at a run between steps, such as an evaluation; what it remembers is saved with the run. */
export interface Watch extends Resumable {
  /** Called after `steps` steps, and again with the same number where a run is resumed there. True ends the training. */
  after(steps: number): Promise<boolean>;
}

/**
 * Trains parameters in place: AdamW, a schedule with warm-up, global-norm clipping, and after each step what the
 * plan's method does to its tensors. All that the next step depends on is in the state of the stage, or follows from
 * the seed and the number of the step: batches, dropout, learning rate.
 * @throws DiffoError when the loss is no longer finite
 */
export async function trainParameters(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  options: TrainingOptions,
): Promise<void> {
  const { kind, batchSize, seed, threads, signal, onStep, schedule = 'linear', parts = 1 } = options;
  const stream = new BatchStream(examples, { batchSize, seed, kind, padTokenId: model.padTokenId });
  const totalSteps = options.steps(stream.stepsPerEpoch);
  const warmupSteps = Math.ceil(options.warmupRatio * totalSteps);
  const trained = trainedOf(parameters);
  const optimizer = adamW(trained, { weightDecay: options.weightDecay });
  const control = plan.control?.(totalSteps);
  const { watch, stage } = options;
  const memory = together({ parameters: valuesState(trained), optimizer, control, watch });
  const found = stage?.found;
  if (found !== undefined) memory.restore(found.state);
  if (found?.last === true) return;
  const afterStep = async (steps: number): Promise<boolean> => {
    let enough: boolean | undefined;
    try {
      enough = await watch?.after(steps);
    } catch (error) {
      // Ctrl-C in an evaluation: the step before it is not to be lost.
      await stage?.reached(steps, memory.state, false);
      throw error;
    }
    const last = enough === true || steps === totalSteps;
    await stage?.reached(steps, memory.state, last);
    return last;
  };
  const gradientStep = await openGradientStep(model, {
    kind,
    loss: options.loss,
    plan,
    parameters,
    wrt: trained,
    dropoutSeed: seed,
    dropoutRate: options.dropoutRate,
    gradientCheckpointing: options.gradientCheckpointing,
    threads,
    largestBatch: { ...stream.largest, batch: Math.ceil(stream.largest.batch / parts) },
  });
  const accumulated = accumulator(gradientStep, (batch) => batchWeight(batch, kind, options.loss));
  const work = new WorkDone();
  const indices = new Map(trained.map(({ name }, i) => [name, i]));
  try {
    const first = found?.step ?? 0;
    if (first > 0 && (await afterStep(first))) return;
    for (let step = first; step < totalSteps; step++) {
      signal?.throwIfAborted();
      const batches = parts === 1 ? [stream.at(step)] : stream.partsAt(step, Math.ceil(batchSize / parts));
      const loss = await accumulated.run(batches, step * parts);
      const gradientNorm = clipGlobalNorm(accumulated.gradients, options.maxGradNorm);
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        throw new DiffoError(
          `Training diverged at step ${step} (loss ${loss}); a lower --lr than ${options.learningRate} is needed.`,
        );
      }
      // Step 0 of a warm-up would have rate 0 and change nothing, so the schedule is read one step ahead.
      const learningRate = options.learningRate * scheduleFactor(schedule, step + 1, totalSteps + 1, warmupSteps);
      optimizer.step(accumulated.gradients, learningRate);
      control?.afterStep(
        step + 1,
        (name) => trained[indices.get(name)!]!.values,
        (name) => accumulated.gradients[indices.get(name)!]!,
      );
      for (const batch of batches) work.add(batch);
      onStep?.({ step, totalSteps, loss, learningRate, gradientNorm }, work);
      if (await afterStep(step + 1)) break;
    }
  } finally {
    await gradientStep.release();
  }
}

/** What the mean over a batch is taken over: its examples, their weights, or its labelled tokens. */
function batchWeight({ batchSize, labels }: Batch, kind: TaskKind, { classWeights }: LossOptions = {}): number {
  if (kind === 'language') return labels!.rows!.length;
  if (kind === 'tokens')
    return (labels!.data as BigInt64Array).filter((label) => label !== BigInt(IGNORED_LABEL)).length;
  if (classWeights === undefined) return batchSize;
  const classes = Array.from(labels!.data as BigInt64Array, Number);
  return classes.map((label) => classWeights[label]!).reduce((sum, weight) => sum + weight, 0);
}

/**
 * Runs a step over several batches: the mean of their losses and gradients, each weighted as its own mean is, is that
 * of the batch that they were cut from. `gradients` are overwritten by the next run.
 */
function accumulator(step: GradientStep, weightOf: (batch: Batch) => number) {
  const sums: Float32Array[] = [];
  let gradients = step.gradients;
  return {
    get gradients() {
      return gradients;
    },
    /** @param firstStep selects the dropout masks of the first batch; the next batch has the next */
    async run(batches: readonly Batch[], firstStep: number): Promise<number> {
      if (batches.length === 1) {
        gradients = step.gradients;
        return step.run(batches[0]!, firstStep);
      }
      if (sums.length === 0) sums.push(...step.gradients.map(({ length }) => new Float32Array(length)));
      const total = batches.reduce((sum, batch) => sum + weightOf(batch), 0);
      let mean = 0;
      for (const [i, batch] of batches.entries()) {
        const share = weightOf(batch) / total;
        mean += share * (await step.run(batch, firstStep + i));
        for (const [g, gradient] of step.gradients.entries()) {
          const sum = sums[g]!;
          for (let k = 0; k < sum.length; k++) sum[k] = (i === 0 ? 0 : sum[k]!) + share * gradient[k]!;
        }
      }
      gradients = sums;
      return mean;
    },
  };
}
