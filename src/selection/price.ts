import { loraPlan } from '../adapters/methods/lora.js';
import { elementCount } from '../checkpoint/dtype.js';
import type { EncodedExample } from '../engine/batch.js';
import { tokensOf } from '../engine/batching.js';
import { gradientGraph } from '../engine/gradientStep.js';
import { countLabelled } from '../engine/labels.js';
import { type Objective, textSizes } from '../engine/objective.js';
import { parameter } from '../engine/parameters.js';
import { peakOfResults, type Sizes } from '../graph/liveness.js';
import { operationsOf } from '../graph/operations.js';
import { optimize } from '../graph/passes/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { gridOf } from './grid.js';

/** What a step is charged for: its operations, or the activations that it holds when they take most. */
export const prices = ['time', 'memory'] as const;
export type PriceName = (typeof prices)[number];

/** What a step costs with adapters somewhere, in parts, as shares of what it costs with adapters on all modules. */
export interface ModulePrices {
  /** Forward pass and head, without an adapter. */
  readonly base: number;
  /** Of a module's adapter, [layers][modules]: what it adds to forward and backward pass. */
  readonly modules: readonly (readonly number[])[];
  /** Of letting the backward pass go down into a layer from the one above; [layers]. */
  readonly depth: readonly number[];
}

/** The step that is counted: plain LoRA of one rank, batches of one size. */
export interface CountedStep {
  readonly objective: Objective;
  readonly rank: number;
  readonly gradientCheckpointing?: boolean | undefined;
  readonly sizes: Sizes;
}

/** A batch as it is on average: so many examples, their texts of the mean length. */
export function meanSizes(examples: readonly EncodedExample[], batchSize: number): Sizes {
  const used = Math.min(batchSize, examples.length);
  const all = examples.reduce((sum, { further = [] }) => sum + 1 + further.length, 0);
  const batch = Math.round((used * all) / examples.length);
  const written = examples.reduce((sum, { targetIds }) => sum + (targetIds?.length ?? 0), 0);
  const seq = Math.max(1, Math.round((tokensOf(examples) - written) / all));
  const target = Math.round(written / all);
  const labelled = examples.reduce((sum, { tokenLabels }) => sum + countLabelled(tokenLabels), 0);
  const rows = Math.max(1, Math.round((used * labelled) / examples.length));
  return { batch, seq, target, rows, ...textSizes(batch, used) };
}

/** What a step costs, counted from its graph as it is emitted, with adapters on the modules that `isAdapted` picks. */
export function stepCost(
  model: Model,
  { objective, rank, gradientCheckpointing, sizes }: CountedStep,
  price: PriceName,
  isAdapted: (module: AdaptableModule) => boolean,
): number {
  const plan = loraPlan({ rank, alpha: rank }, { own: model.adaptable.filter(isAdapted), shared: [] });
  const parameters = [...plan.tensors, ...model.head].map(({ name, shape }) =>
    parameter(name, shape, new Float32Array(elementCount(shape))),
  );
  const { outputs } = gradientGraph(model, { objective, plan, parameters, wrt: parameters, gradientCheckpointing });
  const graph = optimize(Object.values(outputs));
  return price === 'time' ? operationsOf(graph, sizes) : peakOfResults(graph, sizes);
}

/**
 * Takes the cost of a step apart. The adapters of a column cost what falls away when all modules but these are adapted, evenly
 * over the layers; the depth of a layer costs what is added when, adapters being on all layers above, it gets its own, over
 * what these themselves cost. The parts add up to the cost of LoRA on all modules, which is 1.
 */
export function modulePrices(model: Model, step: CountedStep, price: PriceName): ModulePrices {
  const grid = gridOf(model);
  const costOf = (isAdapted: (module: AdaptableModule) => boolean) => stepCost(model, step, price, isAdapted);
  const fromLayer = Array.from({ length: model.layers + 1 }, (_, lowest) => costOf(({ layer }) => layer >= lowest));
  const columns = model.modules.map((name) => Math.max(0, fromLayer[0]! - costOf(({ module }) => module !== name)));
  const modules = grid.filled(0);
  for (const [column, cost] of columns.entries()) {
    const own = model.adaptable.filter(({ module }) => module === model.modules[column]);
    for (const { layer } of own) modules[layer]![column] = cost / own.length;
  }
  const base = fromLayer[model.layers]!;
  const depth = modules.map((row, layer) =>
    Math.max(0, fromLayer[layer]! - fromLayer[layer + 1]! - row.reduce((sum, one) => sum + one, 0)),
  );
  const total = base + [...modules.flat(), ...depth].reduce((sum, one) => sum + one, 0);
  return {
    base: base / total,
    modules: modules.map((row) => row.map((one) => one / total)),
    depth: depth.map((one) => one / total),
  };
}

/** The price of a matrix, relaxed or binary, and its derivative by the entries, in the order of the flat matrix. */
export interface Priced {
  readonly price: number;
  readonly byGates: Float64Array;
}

/**
 * The relaxed price: P(γ) = base + Σ aₘ γₘ + Σₗ dₗ (1 − Π (1 − γₘ) over the modules of layer l and of all below it). Were modules
 * kept independently, each with probability γₘ, it would be the expected cost: the product is the probability that nothing at or
 * below the layer is adapted, so that no gradient has to come down to it. It is exact for binary matrices.
 * ∂P/∂γₘ = aₘ + Σ dₗ Π (1 − γₖ) over k ≠ m, for the layers l at or above that of m.
 */
export function priceOf({ base, modules, depth }: ModulePrices, gates: ArrayLike<number>): Priced {
  const columns = modules[0]!.length;
  const flat = modules.flat();
  const left = (i: number) => 1 - gates[i]!;
  // Products without one factor, by those before and after it: a factor may be 0.
  const before = new Float64Array(flat.length + 1).fill(1);
  for (let i = 0; i < flat.length; i++) before[i + 1] = before[i]! * left(i);
  const byGates = Float64Array.from(flat);
  let price = base;
  for (let i = 0; i < flat.length; i++) price += flat[i]! * gates[i]!;
  for (const [layer, cost] of depth.entries()) {
    const end = (layer + 1) * columns;
    price += cost * (1 - before[end]!);
    let after = 1;
    for (let i = end - 1; i >= 0; i--) {
      byGates[i]! += cost * before[i]! * after;
      after *= left(i);
    }
  }
  return { price, byGates };
}

/** A price that stands in the loss of a search. */
export interface GatePrice {
  readonly prices: ModulePrices;
  /** λ: the loss that one whole step of LoRA on all modules is worth. */
  readonly weight: number;
}

/** Adds λ ∂P/∂γ to the gradient of a loss by the gates. */
export function addPriceGradient(byGates: Float64Array, gates: ArrayLike<number>, { prices, weight }: GatePrice): void {
  for (const [i, slope] of priceOf(prices, gates).byGates.entries()) byGates[i]! += weight * slope;
}
