import { planAdapters } from '../adapters/plan.js';
import type { EncodedExample, TaskKind } from '../data/types.js';
import { ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { adamW, clipGlobalNorm } from '../optimize/adamw.js';
import { BatchStream } from '../optimize/batchStream.js';
import { openGradientStep } from '../optimize/gradientStep.js';
import { adapterParameters, type Parameter, parameter } from '../optimize/parameters.js';
import { linearSchedule } from '../optimize/schedule.js';
import type { Dam } from './dam.js';
import { type Relaxation, relaxedEntropy, relaxedGates, relaxedValues } from './relax.js';

export interface SearchOptions {
  readonly kind: TaskKind;
  readonly relax: Relaxation;
  readonly rank: number;
  readonly alpha: number;
  readonly steps: number;
  readonly batchSize: number;
  /** Peak learning rate of A, B and the head (AdamW, linear schedule). */
  readonly learningRate: number;
  readonly warmupSteps: number;
  /** Learning rate of the logits (Adam, betas 0.5 / 0.999, weight decay 1e-3: DARTS, arXiv 1806.09055, section 3). */
  readonly damLearningRate: number;
  readonly maxGradNorm: number;
  /** In the place of the model's own dropout rates, while A, B and the head learn. */
  readonly dropoutRate?: number | undefined;
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (record: SearchStep) => void;
}

export type SearchStep = Dam['search']['history'][number];

export interface SearchResult {
  /** [layers][modules] */
  readonly logits: number[][];
  readonly relaxed: number[][];
  readonly history: readonly SearchStep[];
  /** A and B of every module after the search, for a warm start. */
  readonly adapters: readonly Parameter[];
}

const damWeightDecay = 1e-3;

/**
 * Stage 1 of DiffoRA: learns the relaxed matrix by first-order bi-level optimisation. Each step updates the logits from
 * the loss of a batch of the validation half, then A, B and the head from the loss of a batch of the training half.
 * Dropout is on for the second and off for the first. `head` is updated in place.
 */
export async function searchDam(
  model: Model,
  head: readonly Parameter[],
  halves: { readonly train: readonly EncodedExample[]; readonly validation: readonly EncodedExample[] },
  options: SearchOptions,
): Promise<SearchResult> {
  const { seed, threads, kind } = options;
  const plan = planAdapters(options, model.adaptable);
  const adapters = adapterParameters(plan, seed);
  const weights = [...adapters, ...head];
  const columns = model.modules.length;
  const logits = parameter('dam.logits', [model.layers, columns], new Float32Array(model.layers * columns));
  const trainBatches = new BatchStream(halves.train, { ...options, padTokenId: model.padTokenId });
  const validationBatches = new BatchStream(halves.validation, { ...options, padTokenId: model.padTokenId });
  const shared = {
    kind,
    plan,
    parameters: [...weights, logits],
    gates: (inputs: ReadonlyMap<string, Tensor>) =>
      moduleGates(model, relaxedGates(inputs.get(logits.name)!, options.relax)),
    threads,
    largestBatch: trainBatches.largest,
  };
  const weightStep = await openGradientStep(model, {
    ...shared,
    wrt: weights,
    dropoutSeed: seed,
    dropoutRate: options.dropoutRate,
  });
  const logitStep = await openGradientStep(model, { ...shared, wrt: [logits] });
  try {
    const weightOptimizer = adamW(weights);
    const logitOptimizer = adamW([logits], { beta1: 0.5, beta2: 0.999 });
    const history: SearchStep[] = [];
    for (let step = 0; step < options.steps; step++) {
      options.signal?.throwIfAborted();
      const validationLoss = await logitStep.run(validationBatches.at(step), step);
      const slope = logitStep.gradients[0]!;
      for (let i = 0; i < slope.length; i++) slope[i]! += damWeightDecay * logits.values[i]!;
      logitOptimizer.step([slope], options.damLearningRate);

      const trainLoss = await weightStep.run(trainBatches.at(step), step);
      clipGlobalNorm(weightStep.gradients, options.maxGradNorm);
      const rate = options.learningRate * linearSchedule(step + 1, options.steps + 1, options.warmupSteps);
      weightOptimizer.step(weightStep.gradients, rate);

      const relaxed = relaxedValues(rows(logits.values, columns), options.relax);
      const entropy = relaxedEntropy(relaxed, options.relax);
      const record = { step, validationLoss, trainLoss, entropy, spread: spreadOf(logits.values) };
      history.push(record);
      options.onStep?.(record);
    }
    const final = rows(logits.values, columns);
    return { logits: final, relaxed: relaxedValues(final, options.relax), history, adapters };
  } finally {
    await weightStep.release();
    await logitStep.release();
  }
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

function rows(values: Float32Array, columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, row) =>
    Array.from(values.subarray(row * columns, (row + 1) * columns)),
  );
}

/** Standard deviation of the logits: how far the search has moved entries apart. */
function spreadOf(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
