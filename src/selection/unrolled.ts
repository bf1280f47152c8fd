import type { AdapterPlan } from '../adapters/plan.js';
import type { Batch } from '../engine/batch.js';
import { openGradientStep } from '../engine/gradientStep.js';
import { batchFeeds, modelLogits } from '../engine/modelGraph.js';
import { type Objective, objectiveRows } from '../engine/objective.js';
import { type Parameter, parameterFeeds, parameterInputs } from '../engine/parameters.js';
import { grad, input, ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { openSession, type Value } from '../runtime/session.js';

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
  readonly largestBatch: { readonly batch: number; readonly seq: number };
}

/** Gradient of the validation loss by the gates, as each kind of search computes it. */
export interface GateGradient {
  /** Overwritten by the next run. */
  readonly gradient: Float32Array;
  /** @returns the validation loss */
  run(validation: Batch, training: Batch, rate: number): Promise<number>;
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
  const { weights, gates, gateTensors } = options;
  const shared = { ...options, parameters: [...weights, gates], gates: gateTensors };
  const trainStep = await openGradientStep(model, { ...shared, wrt: weights });
  const validationStep = await openGradientStep(model, { ...shared, wrt: [gates, ...weights] });
  const mixed = await openMixedDerivative(model, options);
  const [byGates, ...byWeights] = validationStep.gradients;
  const gradient = new Float32Array(gates.values.length);
  return {
    gradient,
    async run(validation, training, rate) {
      await trainStep.run(training, 0);
      const before = weights.map(({ values }) => values.slice());
      for (const [w, { values, rateFactor = 1 }] of weights.entries()) {
        const slope = trainStep.gradients[w]!;
        for (let i = 0; i < values.length; i++) values[i]! -= rate * rateFactor * slope[i]!;
      }
      const loss = await validationStep.run(validation, 0);
      for (const [w, { values }] of weights.entries()) values.set(before[w]!);
      for (const [w, { rateFactor = 1 }] of weights.entries()) {
        if (rateFactor !== 1) for (let i = 0; i < byWeights[w]!.length; i++) byWeights[w]![i]! *= rateFactor;
      }
      const second = await mixed.run(training, byWeights);
      for (let i = 0; i < gradient.length; i++) gradient[i] = byGates![i]! - rate * second[i]!;
      return loss;
    },
    async release() {
      await trainStep.release();
      await validationStep.release();
      await mixed.release();
    },
  };
}

/** ∂/∂γ of Σ ⟨∂L/∂w, v⟩ at a batch, for any direction v (one array a weight). */
export async function openMixedDerivative(
  model: Model,
  { objective, plan, weights, gates, gateTensors, threads }: Omit<UnrolledOptions, 'largestBatch'>,
) {
  const inputs = parameterInputs([...weights, gates]);
  const logits = modelLogits(model, {
    plan,
    parameters: inputs,
    rows: objectiveRows(objective),
    gate: gateTensors(inputs),
  });
  const slopes = grad(
    objective.loss(logits),
    weights.map(({ name }) => inputs.get(name)!),
  );
  const along = weights
    .map(({ name, shape }, w) => ops.mul(slopes[w]!, input(directionName(name), 'float32', shape)))
    .map((product) => ops.sum(product, { axes: product.shape.map((_, axis) => axis), keepDims: false }))
    .reduce((total, part) => ops.add(total, part));
  const [byGates] = grad(along, [inputs.get(gates.name)!]);
  const session = await openSession({ mixed: byGates! }, { threads });
  const fixed = parameterFeeds([...weights, gates]);
  const into: Record<string, Value> = { mixed: { data: new Float32Array(gates.values.length), shape: gates.shape } };
  return {
    async run(batch: Batch, direction: readonly Float32Array[]): Promise<Float32Array> {
      const along = weights.map(({ name, shape }, w) => [directionName(name), { data: direction[w]!, shape }] as const);
      await session.run({ ...fixed, ...batchFeeds(batch, true), ...Object.fromEntries(along) }, into);
      return into.mixed!.data as Float32Array;
    },
    release: () => session.release(),
  };
}

const directionName = (name: string) => `direction ${name}`;
