import type { AdapterPlan } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import type { Work } from '../progress.js';
import { type Resumable, type Stage, together } from '../state.js';
import { accumulator } from './accumulate.js';
import { adamW, clipGlobalNorm } from './adamw.js';
import type { EncodedExample } from './batch.js';
import { BatchStream } from './batchStream.js';
import { openGradientStep } from './gradientStep.js';
import { refuseDiverged, skippedSteps } from './notFinite.js';
import type { Objective } from './objective.js';
import { type Parameter, trainedOf, valuesState } from './parameters.js';
import { type ScheduleName, scheduleFactor } from './schedule.js';
import { WorkDone } from './work.js';

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

export interface TrainingOptions {
  /** In messages; default `training`. */
  readonly name?: string | undefined;
  readonly objective: Objective;
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
  /** Steps that may be left out because loss or gradient is not finite; default 10. */
  readonly maxSkippedSteps?: number | undefined;
  /** In the place of the model's own dropout rates. */
  readonly dropoutRate?: number | undefined;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: TrainStep, work: Work) => void) | undefined;
  /** Is told of steps that are left out. */
  readonly warn?: ((message: string) => void) | undefined;
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
 * plan's method does to its tensors. A step whose loss or gradient is not finite is left out: the parameters stay as they
 * are, and schedule and data go on. All that the next step depends on is in the state of the stage, or follows from
 * the seed and the number of the step: batches, dropout, learning rate.
 * @throws NotFiniteError after too many of these, or when the parameters are not finite at the end
 */
export async function trainParameters(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  options: TrainingOptions,
): Promise<void> {
  const { objective, batchSize, seed, threads, signal, onStep, schedule = 'linear', parts = 1 } = options;
  const stream = new BatchStream(examples, { batchSize, seed, objective, padTokenId: model.padTokenId });
  const totalSteps = options.steps(stream.stepsPerEpoch);
  const warmupSteps = Math.ceil(options.warmupRatio * totalSteps);
  const trained = trainedOf(parameters);
  const optimizer = adamW(trained, { weightDecay: options.weightDecay });
  const control = plan.control?.(totalSteps);
  const { watch, stage } = options;
  const { maxSkippedSteps: limit, warn, name: of = 'training' } = options;
  const skipped = skippedSteps({ of, limit, trained, warn });
  const memory = together({ parameters: valuesState(trained), optimizer, control, watch, skipped });
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
    if (last) refuseDiverged(`The ${of} diverged`, trained);
    await stage?.reached(steps, memory.state, last);
    return last;
  };
  const gradientStep = await openGradientStep(model, {
    objective,
    plan,
    parameters,
    wrt: trained,
    dropoutSeed: seed,
    dropoutRate: options.dropoutRate,
    gradientCheckpointing: options.gradientCheckpointing,
    threads,
    largestBatch: { ...stream.largest, batch: Math.ceil(stream.largest.batch / parts) },
  });
  const accumulated = accumulator(gradientStep, objective.weight);
  const work = new WorkDone();
  const indices = new Map(trained.map(({ name }, i) => [name, i]));
  try {
    const first = found?.step ?? 0;
    if (first > 0 && (await afterStep(first))) return;
    for (let step = first; step < totalSteps; step++) {
      signal?.throwIfAborted();
      const batches = parts === 1 ? [stream.at(step)] : stream.partsAt(step, Math.ceil(batchSize / parts));
      const loss = await accumulated.run(batches, step * parts);
      const gradientNorm = loss === undefined ? 0 : clipGlobalNorm(accumulated.gradients, options.maxGradNorm);
      // Step 0 of a warm-up would have rate 0 and change nothing, so the schedule is read one step ahead.
      const learningRate = options.learningRate * scheduleFactor(schedule, step + 1, totalSteps + 1, warmupSteps);
      const isUsable = loss !== undefined && Number.isFinite(loss) && Number.isFinite(gradientNorm);
      if (isUsable) optimizer.step(accumulated.gradients, learningRate);
      else if (loss !== undefined) skipped.add(step, `loss ${loss}, gradient norm ${gradientNorm}`);
      else warn?.(`Step ${step + 1} of the ${of} has no label to learn from and is left out.`);
      control?.afterStep(
        step + 1,
        (name) => trained[indices.get(name)!]!.values,
        isUsable ? (name) => accumulated.gradients[indices.get(name)!]! : undefined,
      );
      for (const batch of batches) work.add(batch);
      onStep?.(
        isUsable
          ? { step, totalSteps, loss, learningRate, gradientNorm }
          : { step, totalSteps, loss: null, learningRate, gradientNorm: null, skipped: true },
        work,
      );
      if (await afterStep(step + 1)) break;
    }
    skipped.end(totalSteps);
  } finally {
    await gradientStep.release();
  }
}
