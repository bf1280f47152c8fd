import type { AdapterPlan } from '../adapters/plan.js';
import { accumulator, type Shared } from '../engine/accumulate.js';
import type { Batch } from '../engine/batch.js';
import { type LargestBatch, openGradientStep } from '../engine/gradientStep.js';
import { batchFeeds } from '../engine/modelGraph.js';
import { type Objective, objectiveRows } from '../engine/objective.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { grad, input, ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { zerosLike } from '../runtime/deviceTensor.js';
import { openTogether, releaseAll } from '../runtime/release.js';

export interface UnrolledOptions {
  readonly objective: Objective;
  readonly plan: AdapterPlan;
  /** What the training step moves: A, B and the head. */
  readonly weights: readonly Parameter[];
  readonly gates: Parameter;
  readonly gateTensors: (inputs: ReadonlyMap<string, Tensor>) => (module: AdaptableModule) => Tensor;
  /** Of both losses; the mixed second derivative is computed without. */
  readonly gradientCheckpointing?: boolean | undefined;
  readonly threads: number;
  readonly largestBatch: LargestBatch;
  /** Ranks that share each batch out. */
  readonly shared?: Shared | undefined;
}

/** Gradient of the validation loss by the gates, as each kind of search computes it. */
export interface GateGradient {
  /** Mean over the searches; overwritten by the next run. */
  readonly gradient: Float32Array;
  /**
   * @param validation a batch for each search that shares the matrix, in parts, as in `training`
   * @returns the mean of the validation losses
   */
  run(
    validation: readonly (readonly Batch[])[],
    training: readonly (readonly Batch[])[],
    rate: number,
  ): Promise<number>;
  release(): Promise<void>;
}

/**
 * Second-order search (DARTS, arXiv 1806.09055, equations 6 and 7): the validation loss after one plain gradient step of
 * the weights, w' = w − ξ ∂L_train/∂w, has by the gates γ the gradient
 *
 *     ∂L_val(w', γ)/∂γ − ξ · ∂²L_train(w, γ)/∂γ∂w · ∂L_val(w', γ)/∂w'
 *
 * The product with the mixed second derivative is exact: the gradient graph is differentiated once more. ξ is the
 * learning rate of the step, of each weight its own (the head may have another); the weights are left as they were.
 */
export async function openUnrolledGradient(model: Model, options: UnrolledOptions): Promise<GateGradient> {
  const { weights, gates, gateTensors, objective, shared: ranks } = options;
  const shared = { ...options, parameters: [...weights, gates], gates: gateTensors };
  const parts = await openTogether(async (keep) => ({
    trainStep: await keep(openGradientStep(model, { ...shared, wrt: weights })),
    validationStep: await keep(openGradientStep(model, { ...shared, wrt: [gates, ...weights] })),
    mixed: await keep(openMixedDerivative(model, options)),
  }));
  const { trainStep, validationStep, mixed } = parts;
  const ofTraining = accumulator(trainStep, objective.weight, ranks);
  const ofValidation = accumulator(validationStep, objective.weight, ranks);
  let direction: readonly Float32Array[] = [];
  // Linear in the loss, and so the weighted mean over parts as a gradient is.
  const second = { gradients: [mixed.values], run: (batch: Batch) => mixed.run(batch, direction).then(() => 0) };
  const ofMixed = accumulator(second, objective.weight, ranks);
  const gradient = new Float32Array(gates.values.length);
  return {
    gradient,
    async run([validation], [training], rate) {
      await ofTraining.run(training!, 0);
      const before = weights.map(({ values }) => values.slice());
      for (const [w, { values, rateFactor = 1 }] of weights.entries()) {
        const slope = ofTraining.gradients[w]!;
        for (let i = 0; i < values.length; i++) values[i]! -= rate * rateFactor * slope[i]!;
      }
      const loss = (await ofValidation.run(validation!, 0)) ?? Number.NaN;
      const [byGates, ...byWeights] = ofValidation.gradients;
      for (const [w, { values }] of weights.entries()) values.set(before[w]!);
      for (const [w, { rateFactor = 1 }] of weights.entries()) {
        if (rateFactor !== 1) for (let i = 0; i < byWeights[w]!.length; i++) byWeights[w]![i]! *= rateFactor;
      }
      direction = byWeights;
      await ofMixed.run(training!, 0);
      const slope = ofMixed.gradients[0]!;
      for (let i = 0; i < gradient.length; i++) gradient[i] = byGates![i]! - rate * slope[i]!;
      return loss;
    },
    release: () => releaseAll(Object.values(parts)),
  };
}

/** ∂/∂γ of Σ ⟨∂L/∂w, v⟩ at a batch, for any direction v (one array a weight). */
export async function openMixedDerivative(
  model: Model,
  { objective, plan, weights, gates, gateTensors, threads }: Omit<UnrolledOptions, 'largestBatch' | 'shared'>,
) {
  const program = await openProgram(model, {
    plan,
    parameters: [...weights, gates],
    gates: gateTensors,
    threads,
    outputs({ inputs, logits }) {
      const slopes = grad(
        objective.loss(logits(objectiveRows(objective))),
        weights.map(({ name }) => inputs.get(name)!),
      );
      const along = weights
        .map(({ name, shape }, w) => ops.mul(slopes[w]!, input(directionName(name), 'float32', shape)))
        .map((product) => ops.sum(product, { axes: product.shape.map((_, axis) => axis), keepDims: false }))
        .reduce((total, part) => ops.add(total, part));
      const [byGates] = grad(along, [inputs.get(gates.name)!]);
      return { mixed: byGates! };
    },
  });
  const mixed = zerosLike(gates.tensor);
  return {
    /** Of the last run; overwritten by the next. */
    values: mixed.host(),
    async run(batch: Batch, direction: readonly Float32Array[]): Promise<Float32Array> {
      const along = weights.map(({ name, shape }, w) => [directionName(name), { data: direction[w]!, shape }] as const);
      await program.run({ ...batchFeeds(batch, true), ...Object.fromEntries(along) }, { mixed });
      return mixed.host();
    },
    release: () => program.release(),
  };
}

const directionName = (name: string) => `direction ${name}`;
