import * as z from 'zod';
import { loraPlan } from '../adapters/methods/lora.js';
import { adamW, clipGlobalNorm } from '../engine/adamw.js';
import type { EncodedExample } from '../engine/batch.js';
import { BatchStream } from '../engine/batchStream.js';
import { type GradientStepOptions, openGradientStep } from '../engine/gradientStep.js';
import { NotFiniteError, refuseDiverged, skippedSteps } from '../engine/notFinite.js';
import type { Objective } from '../engine/objective.js';
import { adapterParameters, type Parameter, parameter, valuesState } from '../engine/parameters.js';
import { scheduleFactor } from '../engine/schedule.js';
import { WorkDone } from '../engine/work.js';
import { ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import type { Work } from '../progress.js';
import { type Resumable, type Stage, together } from '../state.js';
import { type SearchOrder, type SearchStep, searchStepSchema } from './dam.js';
import { type DamOptimizerName, damOptimizer } from './damOptimizer.js';
import { type DamStart, gradientNorms, logitsFrom } from './damStart.js';
import { entropyGradient, type Group, gumbelNoise, type Relaxation, relax, relaxedEntropy } from './relax.js';
import { type GateGradient, openUnrolledGradient } from './unrolled.js';

export interface SearchOptions {
  readonly objective: Objective;
  readonly relax: Relaxation;
  /** Entries of the flat matrix that are weighed against each other: rows, or the whole. */
  readonly groups: readonly Group[];
  readonly order: SearchOrder;
  readonly optimizer: DamOptimizerName;
  readonly start: DamStart;
  /** Weight of the matrix's entropy in the loss of the logits at the last step; rises from 0. */
  readonly entropyWeight: number;
  readonly rank: number;
  readonly alpha: number;
  /** Dropout on x before A, while A, B and the head learn. */
  readonly loraDropout?: number | undefined;
  readonly steps: number;
  readonly batchSize: number;
  /** Peak learning rate of A, B and the head (AdamW, linear schedule). */
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly damLearningRate: number;
  readonly maxGradNorm: number;
  /** Steps of which a half may be left out because its loss or gradient is not finite; default 10. */
  readonly maxSkippedSteps?: number | undefined;
  /** In the place of the model's own dropout rates, while A, B and the head learn. */
  readonly dropoutRate?: number | undefined;
  readonly gradientCheckpointing?: boolean | undefined;
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** @param work batches of both halves */
  readonly onStep?: (record: SearchStep, work: Work) => void;
  /** Is told of steps that are left out. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Place of the search in the checkpoints of a run; left out, nothing is saved. */
  readonly stage?: Stage | undefined;
}

const progressSchema = z.object({ logits: z.array(z.number()), history: z.array(searchStepSchema) });

export interface SearchResult {
  /** [layers][modules] */
  readonly logits: number[][];
  /** Γ̄ without noise, [layers][modules]. */
  readonly relaxed: number[][];
  readonly history: readonly SearchStep[];
  /** A and B of every module after the search, for a warm start. */
  readonly adapters: readonly Parameter[];
}

/** The two halves of the training data. */
export interface Halves {
  readonly train: readonly EncodedExample[];
  readonly validation: readonly EncodedExample[];
}

/**
 * Stage 1 of DiffoRA: learns the relaxed matrix by bi-level optimisation (DARTS, arXiv 1806.09055). Each step updates
 * the logits from the loss of a batch of the validation half, then A, B and the head from the loss of a batch of the
 * training half. Dropout is on for the second and off for the first. `head` is updated in place. Where one of the two has
 * a loss or a gradient that is not finite, that half of the step is left out.
 * @throws NotFiniteError after too many of these, or when logits or weights are not finite at the end
 */
export async function searchDam(
  model: Model,
  head: readonly Parameter[],
  halves: Halves,
  options: SearchOptions,
): Promise<SearchResult> {
  const { seed, threads, groups } = options;
  const plan = loraPlan(options, { own: model.adaptable, shared: [] });
  const adapters = await adapterParameters(plan, model, seed);
  const weights = [...adapters, ...head];
  const length = model.layers * model.modules.length;
  const gates = parameter('dam.gates', [model.layers, model.modules.length], new Float32Array(length));
  const trainBatches = new BatchStream(halves.train, { ...options, padTokenId: model.padTokenId });
  const validationBatches = new BatchStream(halves.validation, { ...options, padTokenId: model.padTokenId });
  const found = options.stage?.found;
  const logits =
    options.start === 'zero' || found !== undefined
      ? new Float64Array(length)
      : logitsFrom(await gradientNorms(model, head, trainBatches, options), groups);
  const weightOptimizer = adamW(weights);
  const logitOptimizer = damOptimizer(options.optimizer, length, options.damLearningRate);
  const history: SearchStep[] = [];
  const { maxSkippedSteps: limit, warn } = options;
  const skipped = skippedSteps({ of: 'search', limit, trained: weights, warn });
  const memory = together({
    skipped,
    weights: valuesState(weights),
    weightOptimizer,
    logitOptimizer,
    progress: progressState(logits, history),
  });
  const result = (): SearchResult => {
    const columns = model.modules.length;
    const relaxed = rows(relax(options.relax, logits, groups).gates, columns);
    return { logits: rows(logits, columns), relaxed, history, adapters };
  };
  if (found !== undefined) memory.restore(found.state);
  if (found?.last === true) return result();
  const shared = {
    objective: options.objective,
    plan,
    parameters: [...weights, gates],
    gates: (inputs: ReadonlyMap<string, Tensor>) => moduleGates(model, inputs.get(gates.name)!),
    gradientCheckpointing: options.gradientCheckpointing,
    threads,
    largestBatch: trainBatches.largest,
  };
  const weightStep = await openGradientStep(model, {
    ...shared,
    wrt: weights,
    dropoutSeed: seed,
    dropoutRate: options.dropoutRate,
  });
  const opening =
    options.order === 'second'
      ? openUnrolledGradient(model, { ...shared, gates, weights, gateTensors: shared.gates })
      : openPlainGradient(model, { ...shared, wrt: [gates] });
  const gateStep = await opening.catch(async (error) => {
    await weightStep.release();
    throw error;
  });
  const work = new WorkDone();
  try {
    for (let step = found?.step ?? 0; step < options.steps; step++) {
      options.signal?.throwIfAborted();
      const rate = options.learningRate * scheduleFactor('linear', step + 1, options.steps + 1, options.warmupSteps);
      const trainBatch = trainBatches.at(step);
      const noise = options.relax === 'gumbel' ? gumbelNoise(length, seed, step) : undefined;
      const now = relax(options.relax, logits, groups, noise);
      gates.values.set(now.gates);
      const validationBatch = validationBatches.at(step);
      const validationLoss = await gateStep.run(validationBatch, trainBatch, rate);
      const isValid = Number.isFinite(validationLoss) && gateStep.gradient.every(Number.isFinite);
      if (isValid) {
        const weight = (options.entropyWeight * (step + 1)) / options.steps;
        const byGates = Float64Array.from(gateStep.gradient);
        const byLogits = now.pullback(byGates);
        if (weight > 0) addEntropy(byGates, byLogits, weight);
        logitOptimizer.step(logits, byGates, byLogits);
        refuseBrokenLogits(step);
      }

      gates.values.set(relax(options.relax, logits, groups, noise).gates);
      const trainLoss = await weightStep.run(trainBatch, step);
      const gradientNorm = clipGlobalNorm(weightStep.gradients, options.maxGradNorm);
      const isTrained = Number.isFinite(trainLoss) && Number.isFinite(gradientNorm);
      if (isTrained) weightOptimizer.step(weightStep.gradients, rate);
      if (!isValid || !isTrained) skipped.add(step, `losses ${validationLoss} and ${trainLoss} (validation, training)`);

      const entropy = relaxedEntropy(relax(options.relax, logits, groups).gates, options.relax, groups);
      const record: SearchStep = {
        step,
        validationLoss: isValid ? validationLoss : null,
        trainLoss: isTrained ? trainLoss : null,
        entropy,
        spread: spreadOf(logits),
        ...(isValid && isTrained ? {} : { skipped: true }),
      };
      history.push(record);
      for (const batch of [validationBatch, trainBatch]) work.add(batch);
      options.onStep?.(record, work);
      await options.stage?.reached(step + 1, memory.state, step + 1 === options.steps);
    }
    refuseDiverged('The search diverged', weights);
    skipped.end(options.steps);
    return result();
  } finally {
    await weightStep.release();
    await gateStep.release();
  }

  function refuseBrokenLogits(step: number): void {
    if (logits.every(Number.isFinite)) return;
    throw new NotFiniteError(`The search diverged at step ${step + 1}: a logit is not finite. Lower --dam-lr.`);
  }

  /** Entropy is that of the matrix without noise. */
  function addEntropy(byGates: Float64Array, byLogits: Float64Array, weight: number): void {
    const plain = relax(options.relax, logits, groups);
    const slope = entropyGradient(plain.gates, options.relax, groups).map((value) => value * weight);
    const pulled = plain.pullback(slope);
    for (let i = 0; i < length; i++) {
      byGates[i]! += slope[i]!;
      byLogits[i]! += pulled[i]!;
    }
  }
}

/** The logits and what has been recorded of them. */
function progressState(logits: Float64Array, history: SearchStep[]): Resumable {
  return {
    state: () => ({ arrays: {}, values: { logits: Array.from(logits), history } }),
    restore({ values }) {
      const saved = progressSchema.parse(values);
      logits.set(saved.logits);
      history.push(...saved.history);
    },
  };
}

/** First order: the gradient of the validation loss by the gates as the weights are. */
async function openPlainGradient(model: Model, options: GradientStepOptions): Promise<GateGradient> {
  const step = await openGradientStep(model, options);
  return {
    gradient: step.gradients[0]!,
    run: (validation) => step.run(validation, 0),
    release: () => step.release(),
  };
}

/** γ of a module: its entry of the relaxed matrix [layers, modules], as a scalar. */
export function moduleGates(model: Model, relaxed: Tensor): (module: AdaptableModule) => Tensor {
  const columns = model.modules.length;
  const flat = ops.reshape(relaxed, [model.layers * columns]);
  return ({ layer, module }) => {
    const start = layer * columns + model.modules.indexOf(module);
    return ops.reshape(ops.slice(flat, { axis: 0, start, length: 1 }), []);
  };
}

function rows(values: Float64Array, columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, row) =>
    Array.from(values.subarray(row * columns, (row + 1) * columns)),
  );
}

function spreadOf(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
