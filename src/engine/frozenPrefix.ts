import type { AdapterPlan } from '../adapters/plan.js';
import { dependents } from '../graph/grad.js';
import { input, ops, type Tensor } from '../graph/index.js';
import { nodeOf, nodesInOrder } from '../graph/tensor.js';
import type { Model } from '../models/model.js';
import type { Releasable } from '../runtime/release.js';
import type { Value } from '../runtime/session.js';
import type { Batch } from './batch.js';
import { modelLogits } from './modelGraph.js';
import { type Parameter, parameterInputs } from './parameters.js';

/** Layers that a training leaves as they are, with a way to what they give: a step starts above them. */
export interface FrozenPrefix {
  /** The first layer that a step computes; nothing below it changes. At least 1. */
  readonly layer: number;
  open(): Promise<PrefixStates>;
}

/** What enters the first layer of a step. */
export interface PrefixStates extends Releasable {
  /** The graph input of {@link startingAt} for a batch. */
  feeds(batch: Batch): Promise<Record<string, Value>>;
}

/** How far a model stays as it is. */
export interface FrozenLayers {
  /** Layers below all that is trained, the last layer never among them: what enters it is the last that can be kept. */
  readonly layers: number;
  /** A trained tensor that the next layer reads, or what comes before the first; undefined where that is the last layer. */
  readonly endedBy: string | undefined;
  /** Numbers of a token's state between two layers. */
  readonly hiddenSize: number;
}

/** Name of the graph input that stands for the residual stream before the first layer of a step. */
export const prefixState = 'prefix_state';

/** The hook `enterLayer` of a graph that starts at a layer: float32 [batch, seq, hidden] in the place of what is below. */
export function startingAt(start: number): (state: Tensor, layer: number) => Tensor {
  return (state, layer) =>
    layer === start
      ? ops.reshape(input(prefixState, 'float32', ['batch', 'seq', state.shape[1]!]), state.shape)
      : state;
}

/** What enters a layer of a model with adapters, float32 [batch*seq, hidden], from the inputs of a batch. */
export function enteringState(
  model: Model,
  { plan, parameters }: { readonly plan: AdapterPlan; readonly parameters: readonly Parameter[] },
  layer: number,
): Tensor {
  return enteringStates(model, plan, parameterInputs(parameters)).states[layer]!;
}

function enteringStates(model: Model, plan: AdapterPlan, parameters: ReadonlyMap<string, Tensor>) {
  const states: Tensor[] = [];
  const enterLayer = (state: Tensor) => {
    states.push(state);
    return state;
  };
  return { states, logits: modelLogits(model, { plan, parameters, enterLayer }) };
}

/**
 * The layers that depend on nothing that is trained: neither on adapters, nor on tensors of the base model, whatever method
 * trains them. Read off the graph.
 */
export function frozenLayers(
  model: Model,
  { plan, parameters }: { readonly plan: AdapterPlan; readonly parameters: readonly Parameter[] },
): FrozenLayers {
  const inputs = parameterInputs(parameters);
  const { states, logits } = enteringStates(model, plan, inputs);
  const trained = new Map(
    parameters.flatMap(({ name, frozen }) => (frozen === true ? [] : [[inputs.get(name)!, name] as const])),
  );
  const changed = dependents(nodesInOrder([...states, logits]), new Set(trained.keys()));
  const firstChanged = states.findIndex((state) => trained.has(state) || changed.has(nodeOf(state)!));
  const hiddenSize = Number(states[0]!.shape[1]);
  // What enters a decoder beside an encoder is another text, and does not hold what is below it.
  const onSameRows = states.findIndex(({ shape }) => shape[0] !== states[0]!.shape[0]);
  const most = (onSameRows < 0 ? states.length : onSameRows) - 1;
  if (firstChanged < 0 || firstChanged > most + 1) return { layers: most, endedBy: undefined, hiddenSize };
  const read = nodesInOrder([states[firstChanged]!]).flatMap((node) => node.inputs);
  const endedBy = trained.get(read.find((tensor) => trained.has(tensor))!);
  return { layers: Math.max(0, firstChanged - 1), endedBy, hiddenSize };
}
