import { accumulator, type Shared } from '../engine/accumulate.js';
import type { Batch } from '../engine/batch.js';
import type { BatchStream } from '../engine/batchStream.js';
import { type GradientStepOptions, openGradientStep } from '../engine/gradientStep.js';
import { type Outcome, outcomeOf, type Update } from '../engine/loop.js';
import { NotFiniteError } from '../engine/notFinite.js';
import type { Parameter } from '../engine/parameters.js';
import type { OpenStep } from '../engine/sharedStep.js';
import type { Model } from '../models/model.js';
import { doublesState, together } from '../state.js';
import type { SearchOrder } from './dam.js';
import { type DamOptimizerName, damOptimizer } from './damOptimizer.js';
import type { Gates } from './moduleGates.js';
import { addPriceGradient, type GatePrice } from './price.js';
import { entropyGradient, type Group, gumbelNoise, type Relaxation, relax } from './relax.js';
import { type GateGradient, openUnrolledGradient } from './unrolled.js';

export interface MatrixUpdateOptions
  extends Pick<GradientStepOptions, 'objective' | 'plan' | 'gradientCheckpointing' | 'threads'> {
  /** Logits of the flat matrix as they start; moved in place. */
  readonly logits: Float64Array;
  /** Set for the validation batch and, once the logits have moved, for the weights' own update. */
  readonly gates: Gates;
  /** A, B and the head: the second order looks through their next step. */
  readonly weights: readonly Parameter[];
  /** Of each search that shares the matrix. */
  readonly validation: readonly BatchStream[];
  /** Of the weights' updates, as is `rate`. */
  readonly training: readonly BatchStream[];
  readonly rate: (step: number) => number;
  readonly relax: Relaxation;
  readonly groups: readonly Group[];
  readonly order: SearchOrder;
  /** First order: a step without dropout that others use too; left out, one is compiled for this update. */
  readonly openStep?: OpenStep | undefined;
  /** Ranks that share each batch out, where it can be cut into parts. */
  readonly shared?: Shared | undefined;
  /** Parts that each batch is cut into. Default 1. */
  readonly parts?: number | undefined;
  /** In the place of the gradient of one search. */
  readonly openGradient?: (() => Promise<GateGradient>) | undefined;
  readonly optimizer: DamOptimizerName;
  readonly damLearningRate: number;
  /** Weight of the matrix's entropy in the loss of the logits at the last step; rises from 0. */
  readonly entropyWeight: number;
  /** What stands in the loss of the logits beside that of the batch; left out, nothing is priced. */
  readonly price?: GatePrice | undefined;
  /** Steps of the search. */
  readonly steps: number;
  /** Of the noise of `gumbel`. */
  readonly seed: number;
}

/**
 * The first half of a search step (DARTS, arXiv 1806.09055, algorithm 1): moves the logits by the gradient of the loss
 * of a validation batch by the gates, without dropout, and leaves the gates where the moved logits have them.
 */
export function matrixUpdate(model: Model, options: MatrixUpdateOptions): Update {
  const { logits, gates, validation, training, rate, groups, steps, seed, objective, parts = 1 } = options;
  const { length } = logits;
  const optimizer = damOptimizer(options.optimizer, length, options.damLearningRate);
  const relaxed = (noise?: ArrayLike<number>) => relax(options.relax, logits, groups, noise);

  /** Entropy is that of the matrix without noise. */
  const addEntropy = (byGates: Float64Array, byLogits: Float64Array, weight: number) => {
    const plain = relaxed();
    const slope = entropyGradient(plain.gates, options.relax, groups).map((value) => value * weight);
    const pulled = plain.pullback(slope);
    for (let i = 0; i < length; i++) {
      byGates[i]! += slope[i]!;
      byLogits[i]! += pulled[i]!;
    }
  };

  return {
    ...together({ logits: doublesState(logits), optimizer }),
    name: 'matrix',
    async open() {
      const gateGradient = await (options.openGradient ?? (() => openGateGradient(model, options)))();
      return {
        async run(step): Promise<Outcome> {
          const noise = options.relax === 'gumbel' ? gumbelNoise(length, seed, step) : undefined;
          const now = relaxed(noise);
          gates.parameter.values.set(now.gates);
          const batchesOf = (streams: readonly BatchStream[]): Batch[][] =>
            streams.map((stream) => stream.partsAt(step, parts));
          const each = batchesOf(validation);
          const batches = each.flat();
          if (each.some((own) => !own.some((batch) => objective.weight(batch) > 0)))
            return { kind: 'unlabelled', batches };
          const loss = await gateGradient.run(each, batchesOf(training), rate(step));
          const outcome = outcomeOf(batches, loss, Math.hypot(...gateGradient.gradient));
          if (outcome.kind === 'notFinite') return { ...outcome, found: `validation ${outcome.found}` };
          const weight = (options.entropyWeight * (step + 1)) / steps;
          const byGates = Float64Array.from(gateGradient.gradient);
          if (options.price !== undefined) addPriceGradient(byGates, now.gates, options.price);
          const byLogits = now.pullback(byGates);
          if (weight > 0) addEntropy(byGates, byLogits, weight);
          optimizer.step(logits, byGates, byLogits);
          if (!logits.every(Number.isFinite)) {
            throw new NotFiniteError(`The search diverged at step ${step + 1}: a logit is not finite. Lower --dam-lr.`);
          }
          gates.parameter.values.set(relaxed(noise).gates);
          return outcome;
        },
        release: () => gateGradient.release(),
      };
    },
  };
}

/** First order: the gradient of the validation loss by the gates as the weights are. Second: see `openUnrolledGradient`. */
async function openGateGradient(model: Model, options: MatrixUpdateOptions): Promise<GateGradient> {
  const { objective, plan, weights, gates, gradientCheckpointing, threads, training, order, shared: of } = options;
  const shared = { objective, plan, gradientCheckpointing, threads, largestBatch: training[0]!.largest };
  if (order === 'second') {
    return openUnrolledGradient(model, {
      ...shared,
      shared: of,
      weights,
      gates: gates.parameter,
      gateTensors: gates.of,
    });
  }
  const parameters = [...weights, gates.parameter];
  const open = options.openStep ?? ((wrt) => openGradientStep(model, { ...shared, parameters, gates: gates.of, wrt }));
  const step = await open([gates.parameter]);
  const accumulated = accumulator(step, objective.weight, of);
  return {
    get gradient() {
      return accumulated.gradients[0]!;
    },
    run: async ([parts]) => (await accumulated.run(parts!, 0)) ?? Number.NaN,
    release: () => step.release(),
  };
}
