import * as z from 'zod';
import { loraPlan } from '../adapters/methods/lora.js';
import { partsOf, type Shared } from '../engine/accumulate.js';
import type { EncodedExample } from '../engine/batch.js';
import { BatchStream } from '../engine/batchStream.js';
import { hasDropout, openGradientStep } from '../engine/gradientStep.js';
import { type LoopCompany, runLoop } from '../engine/loop.js';
import type { Objective } from '../engine/objective.js';
import { adapterParameters, type Parameter } from '../engine/parameters.js';
import { learningRates } from '../engine/schedule.js';
import { sharedStep } from '../engine/sharedStep.js';
import { weightUpdate } from '../engine/weightUpdate.js';
import { usageError } from '../errors.js';
import type { Model } from '../models/model.js';
import type { Work } from '../progress.js';
import type { Resumable } from '../state.js';
import { type SearchOrder, type SearchStep, searchStepSchema } from './dam.js';
import type { DamOptimizerName } from './damOptimizer.js';
import { type DamStart, gradientNorms, logitsFrom } from './damStart.js';
import type { Gamma } from './discretise.js';
import { gridOf } from './grid.js';
import { matrixUpdate } from './matrixUpdate.js';
import { openGates } from './moduleGates.js';
import type { GatePrice } from './price.js';
import { type Group, type Relaxation, relax, relaxedEntropy } from './relax.js';
import { searchTeam } from './searchTeam.js';
import { untilSettled } from './settled.js';

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
  readonly threads: number;
  /** Ranks that share each batch out, where the loss lets it be cut; else the first computes it whole. */
  readonly shared?: Shared | undefined;
  /** @param work batches of both halves @param relaxed computes Γ̄ after the step, [layers][modules] */
  readonly onStep?: (record: SearchStep, work: Work, relaxed: () => number[][]) => void;
  /** Ends the search before its steps are over; left out, nothing does. */
  readonly settled?: SettledOptions | undefined;
}

/** When a search has found what it will keep. */
export interface SettledOptions {
  /** Steps over which Γ may not have changed. */
  readonly patience: number;
  /** Γ of Γ̄, [layers][modules]. */
  readonly kept: (relaxed: readonly (readonly number[])[]) => Gamma;
}

export interface SearchResult {
  /** [layers][modules] */
  readonly logits: number[][];
  /** Γ̄ without noise, [layers][modules]. */
  readonly relaxed: number[][];
  /** One for each step: fewer than asked for where the search had settled. */
  readonly history: readonly SearchStep[];
  /** A and B of every module after the search of the first member, for a warm start, and its head. */
  readonly adapters: readonly Parameter[];
  readonly head: readonly Parameter[];
  /** Of several members: the gradient of the validation loss by the gates, summed over the steps, [layers][modules] each. */
  readonly slopes?: readonly (readonly (readonly number[])[])[];
}

/** The two halves of the training data. */
export interface Halves {
  readonly train: readonly EncodedExample[];
  readonly validation: readonly EncodedExample[];
}

/** One of the searches that share a matrix. */
export interface SearchMember {
  /** Updated in place. */
  readonly head: readonly Parameter[];
  readonly halves: Halves;
  readonly seed: number;
}

/**
 * Stage 1 of DiffoRA: learns the relaxed matrix by bi-level optimisation (DARTS, arXiv 1806.09055). Each step updates
 * the logits from the loss of a batch of the validation half, then A, B and the head from the loss of a batch of the
 * training half. Dropout is on for the second and off for the first. Where one of the two has a loss or a gradient that is
 * not finite, that half of the step is left out. Several members share the matrix, which moves by the mean of their
 * gradients (in the first order); weights, halves, batches and dropout are their own.
 * @throws NotFiniteError after too many of these, or when logits or weights are not finite at the end
 */
export async function searchDam(
  model: Model,
  members: readonly SearchMember[],
  options: SearchOptions,
): Promise<SearchResult> {
  const { objective, steps, threads, groups, gradientCheckpointing, stage, shared } = options;
  const parts = objective.parts === 'never' ? 1 : partsOf(shared, 1);
  const [{ head, seed }] = members as readonly [SearchMember];
  if (shared !== undefined && parts === 1) {
    options.warn?.('The batches of this search cannot be cut: the first rank computes them, and the others wait.');
  }
  const grid = gridOf(model);
  const plan = loraPlan(options, { own: model.adaptable, shared: [] });
  const each = await Promise.all(
    members.map(async (one) => [...(await adapterParameters(plan, model, one.seed)), ...one.head]),
  );
  const [weights] = each as [Parameter[]];
  const gates = openGates(model, 0);
  const stream = { batchSize: options.batchSize, objective, padTokenId: model.padTokenId };
  const training = members.map((one) => new BatchStream(one.halves.train, { ...stream, seed: one.seed }));
  const validation = members.map((one) => new BatchStream(one.halves.validation, { ...stream, seed: one.seed }));
  const logits =
    options.start === 'zero' || stage?.found !== undefined
      ? new Float64Array(grid.length)
      : logitsFrom(await gradientNorms(model, head, training[0]!, { ...options, seed }), groups);
  const { learningRate: peak, warmupSteps } = options;
  const rate = learningRates({ schedule: 'linear', peak, totalSteps: steps, warmupSteps });
  const graph = { objective, plan, gradientCheckpointing, threads };
  const parameters = [...weights, gates.parameter];
  const drawn = { ...graph, parameters, gates: gates.of, dropoutSeed: seed, dropoutRate: options.dropoutRate };
  // Without dropout both updates run the same graph: in one session they take the memory of one, and the time of two.
  const wrt = [gates.parameter, ...weights];
  const isShared = options.order === 'first' && !hasDropout(model, drawn);
  const openStep = isShared
    ? sharedStep(() => openGradientStep(model, { ...drawn, wrt, largestBatch: training[0]!.largest }), wrt)
    : undefined;
  if (members.length > 1 && options.order === 'second') {
    throw usageError(
      'Searches that share a matrix run in the first order. Set searchTeam to 1, or searchOrder to first.',
    );
  }
  const sizes = training.map(({ largest }) => largest);
  const largestBatch = {
    batch: Math.max(...sizes.map(({ batch }) => batch)),
    seq: Math.max(...sizes.map(({ seq }) => seq)),
    target: Math.max(...sizes.map(({ target }) => target)),
  };
  const team =
    members.length === 1
      ? undefined
      : searchTeam(model, each, { ...drawn, gates, largestBatch }, hasDropout(model, drawn), shared);
  const matrix = matrixUpdate(model, {
    ...graph,
    openStep,
    openGradient: team?.openGradient,
    shared,
    parts,
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
  const { maxGradNorm } = options;
  const trained =
    team?.update({ training, rate, maxGradNorm, parts }) ??
    weightUpdate(model, {
      ...drawn,
      openStep,
      shared,
      trained: weights,
      batches: training[0]!,
      rate,
      weightDecay: 0,
      maxGradNorm,
    });
  const history: SearchStep[] = [];
  const relaxed = () => grid.rows(relax(options.relax, logits, groups).gates);
  const { settled } = options;
  await runLoop({
    name: 'search',
    steps,
    updates: [matrix, trained],
    trained: each.flat(),
    memory: { history: historyState(history), ...(team && { team: team.memory }) },
    maxSkippedSteps: options.maxSkippedSteps,
    signal: options.signal,
    warn: options.warn,
    stage,
    agree: options.agree,
    watch: settled && untilSettled(() => settled.kept(relaxed()), settled.patience),
    onStep(step, outcomes, work) {
      const [validationLoss, trainLoss] = outcomes.map((one) => (one.kind === 'done' ? one.loss : null));
      const record: SearchStep = {
        step,
        validationLoss: validationLoss ?? null,
        trainLoss: trainLoss ?? null,
        entropy: relaxedEntropy(relax(options.relax, logits, groups).gates, options.relax, groups),
        spread: spreadOf(groups.flatMap(({ entries }) => entries.map((i) => logits[i]!))),
        ...(outcomes.every(({ kind }) => kind === 'done') ? {} : { skipped: true }),
      };
      history.push(record);
      options.onStep?.(record, work, relaxed);
    },
  });
  return {
    logits: grid.rows(logits),
    relaxed: relaxed(),
    history,
    adapters: weights.slice(0, weights.length - head.length),
    head,
    ...(team && { slopes: team.slopes.map((slope) => grid.rows(slope)) }),
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
function spreadOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
