import * as z from 'zod';
import { loraPlan } from '../adapters/methods/lora.js';
import type { EncodedExample } from '../engine/batch.js';
import { BatchStream } from '../engine/batchStream.js';
import { hasDropout, openGradientStep } from '../engine/gradientStep.js';
import { type LoopCompany, runLoop } from '../engine/loop.js';
import type { Objective } from '../engine/objective.js';
import { adapterParameters, type Parameter } from '../engine/parameters.js';
import { learningRates } from '../engine/schedule.js';
import { sharedStep } from '../engine/sharedStep.js';
import { weightUpdate } from '../engine/weightUpdate.js';
import type { Model } from '../models/model.js';
import type { Work } from '../progress.js';
import type { Resumable } from '../state.js';
import { type SearchOrder, type SearchStep, searchStepSchema } from './dam.js';
import type { DamOptimizerName } from './damOptimizer.js';
import { type DamStart, gradientNorms, logitsFrom } from './damStart.js';
import { gridOf } from './grid.js';
import { matrixUpdate } from './matrixUpdate.js';
import { openGates } from './moduleGates.js';
import type { GatePrice } from './price.js';
import { type Group, type Relaxation, relax, relaxedEntropy } from './relax.js';

export interface SearchOptions extends Omit<LoopCompany, 'watch'> {
  readonly objective: Objective;
  readonly relax: Relaxation;
  /** Entries of the flat matrix that are weighed against each other: rows, or the whole. */
  readonly groups: readonly Group[];
  readonly order: SearchOrder;
  readonly optimizer: DamOptimizerName;
  readonly start: DamStart;
  /** Weight of the matrix's entropy in the loss of the logits at the last step; rises from 0. */
  readonly entropyWeight: number;
  /** See MatrixUpdateOptions. */
  readonly price?: GatePrice | undefined;
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
  /** In the place of the model's own dropout rates, while A, B and the head learn. */
  readonly dropoutRate?: number | undefined;
  readonly gradientCheckpointing?: boolean | undefined;
  readonly seed: number;
  readonly threads: number;
  /** @param work batches of both halves */
  readonly onStep?: (record: SearchStep, work: Work) => void;
}

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
  const { objective, seed, steps, threads, groups, gradientCheckpointing, stage } = options;
  const grid = gridOf(model);
  const plan = loraPlan(options, { own: model.adaptable, shared: [] });
  const adapters = await adapterParameters(plan, model, seed);
  const weights = [...adapters, ...head];
  const gates = openGates(model, 0);
  const stream = { batchSize: options.batchSize, seed, objective, padTokenId: model.padTokenId };
  const training = new BatchStream(halves.train, stream);
  const validation = new BatchStream(halves.validation, stream);
  const logits =
    options.start === 'zero' || stage?.found !== undefined
      ? new Float64Array(grid.length)
      : logitsFrom(await gradientNorms(model, head, training, options), groups);
  const { learningRate: peak, warmupSteps } = options;
  const rate = learningRates({ schedule: 'linear', peak, totalSteps: steps, warmupSteps });
  const graph = { objective, plan, gradientCheckpointing, threads };
  const parameters = [...weights, gates.parameter];
  const drawn = { ...graph, parameters, gates: gates.of, dropoutSeed: seed, dropoutRate: options.dropoutRate };
  // Without dropout both updates run the same graph: in one session they take the memory of one, and the time of two.
  const wrt = [gates.parameter, ...weights];
  const openStep =
    options.order === 'first' && !hasDropout(model, drawn)
      ? sharedStep(() => openGradientStep(model, { ...drawn, wrt, largestBatch: training.largest }), wrt)
      : undefined;
  const matrix = matrixUpdate(model, {
    ...graph,
    openStep,
    logits,
    gates,
    weights,
    validation,
    training,
    rate,
    relax: options.relax,
    groups,
    order: options.order,
    optimizer: options.optimizer,
    damLearningRate: options.damLearningRate,
    entropyWeight: options.entropyWeight,
    price: options.price,
    steps,
    seed,
  });
  const trained = weightUpdate(model, {
    ...drawn,
    openStep,
    trained: weights,
    batches: training,
    rate,
    weightDecay: 0,
    maxGradNorm: options.maxGradNorm,
  });
  const history: SearchStep[] = [];
  await runLoop({
    name: 'search',
    steps,
    updates: [matrix, trained],
    trained: weights,
    memory: { history: historyState(history) },
    maxSkippedSteps: options.maxSkippedSteps,
    signal: options.signal,
    warn: options.warn,
    stage,
    onStep(step, outcomes, work) {
      const [validationLoss, trainLoss] = outcomes.map((one) => (one.kind === 'done' ? one.loss : null));
      const record: SearchStep = {
        step,
        validationLoss: validationLoss ?? null,
        trainLoss: trainLoss ?? null,
        entropy: relaxedEntropy(relax(options.relax, logits, groups).gates, options.relax, groups),
        spread: spreadOf(logits),
        ...(outcomes.every(({ kind }) => kind === 'done') ? {} : { skipped: true }),
      };
      history.push(record);
      options.onStep?.(record, work);
    },
  });
  return {
    logits: grid.rows(logits),
    relaxed: grid.rows(relax(options.relax, logits, groups).gates),
    history,
    adapters,
  };
}

const historySchema = z.object({ steps: z.array(searchStepSchema) });

/** The records of the steps. */
function historyState(history: SearchStep[]): Resumable {
  return {
    state: () => ({ arrays: {}, values: { steps: history } }),
    restore: ({ values }) => void history.push(...historySchema.parse(values).steps),
  };
}

/** Standard deviation. */
function spreadOf(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
