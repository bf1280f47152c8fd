import type { AdapterGraph, AdapterPlan } from '../adapters/plan.js';
import { input, ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, BatchInputs, BuildHooks, Model } from '../models/model.js';
import { storedWeight } from '../models/weights.js';
import type { Value } from '../runtime/session.js';
import type { Batch } from './batch.js';
import { type Parameter, parameterInputs } from './parameters.js';

export interface ModelGraphOptions {
  readonly plan: AdapterPlan;
  /** Graph inputs of every trainable tensor, by name; head tensors under their own names. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** γ of a module: a scalar tensor, while the DAM is relaxed. */
  readonly gate?: (module: AdaptableModule) => Tensor;
  /** Masks at a dropout site; left out, dropout is off. */
  readonly dropout?: (x: Tensor, rate: number) => Tensor;
  /** The same within adapters, whose rates are their own. */
  readonly adapterDropout?: (x: Tensor, rate: number) => Tensor;
  readonly observe?: AdapterGraph['observe'];
  /** What enters a layer [batch*seq, hidden], or what is to stand in its place; left out, it enters as it is. */
  readonly enterLayer?: ((state: Tensor, layer: number) => Tensor) | undefined;
  /** Mark the start of every layer, so that the backward pass computes a layer's activations anew. */
  readonly gradientCheckpointing?: boolean | undefined;
}

/**
 * Builds the model with its adapters: {@link Model.logits} from the batch inputs.
 * @param rows causal models: the positions to give logits for
 */
export function modelLogits(model: Model, options: ModelGraphOptions & { readonly rows?: Tensor | undefined }): Tensor {
  return model.logits(batchInputs(options.rows), buildHooks(model, options));
}

/** What the graph of a model with adapters is built with, its parameters given as such. */
export interface AdaptedGraphOptions extends Omit<ModelGraphOptions, 'parameters' | 'gate'> {
  /** Every tensor that the graph is fed beside the batch, head and adapters, and whatever `gates` reads. */
  readonly parameters: readonly Parameter[];
  /** γ of each module, from the graph inputs of `parameters`; left out, every adapter counts in full. */
  readonly gates?: ((inputs: ReadonlyMap<string, Tensor>) => (module: AdaptableModule) => Tensor) | undefined;
}

/** A model with adapters, about to be built: what a graph's outputs are written with. */
export interface AdaptedGraph {
  /** The graph inputs of the parameters, by name. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly hooks: BuildHooks;
  /**
   * {@link Model.logits} from the batch inputs.
   * @param rows causal models: the positions to give logits for
   */
  logits(rows?: Tensor): Tensor;
  /** {@link Model.states} of the batch inputs, and their attention mask. */
  states(): { readonly states: Tensor; readonly attentionMask: Tensor };
}

/** The graph of a model with adapters, to be built once. */
export function adaptedGraph(model: Model, { parameters, gates, ...options }: AdaptedGraphOptions): AdaptedGraph {
  const inputs = parameterInputs(parameters);
  const hooks = buildHooks(model, { ...options, parameters: inputs, ...(gates && { gate: gates(inputs) }) });
  return {
    inputs,
    hooks,
    logits: (rows) => model.logits(batchInputs(rows), hooks),
    states() {
      const batch = batchInputs(undefined);
      return { states: model.states(batch, hooks), attentionMask: batch.attentionMask };
    },
  };
}

/** Weights from the checkpoint or from `parameters`, adapters as the plan says. */
export function buildHooks(model: Model, options: ModelGraphOptions): BuildHooks {
  const { plan, parameters, gate, dropout, adapterDropout, observe } = options;
  const adapters: AdapterGraph = { parameters, gate, observe, dropout: adapterDropout ?? ((x) => x) };
  const weights = new Map<string, Tensor>();
  const adaptedWeights = new Map<string, Tensor>();
  let layer = 0;
  const stored = (name: string) => {
    let weight = weights.get(name);
    if (weight === undefined) {
      const tensor = model.checkpoint.tensors.get(model.backbone.get(name) ?? name);
      if (tensor === undefined) throw new Error(`the model asks for "${name}", which its checkpoint does not have`);
      weight = storedWeight(tensor);
      weights.set(name, weight);
    }
    return weight;
  };
  const base = (name: string): Tensor => {
    const trained = parameters.get(name);
    if (trained !== undefined) return trained;
    const tied = model.tied.get(name);
    if (tied === undefined) return stored(name);
    return plan.untied === true ? stored(tied) : base(tied);
  };
  return {
    weight(name) {
      if (plan.adaptWeight === undefined) return base(name);
      const known = adaptedWeights.get(name) ?? plan.adaptWeight(name, base(name), adapters);
      adaptedWeights.set(name, known);
      return known;
    },
    adapt(call) {
      const y = call.bias === undefined ? call.product : ops.add(call.product, call.bias);
      return plan.adapt?.(call, y, adapters) ?? y;
    },
    startLayer(state) {
      const index = layer++;
      const entered = options.enterLayer?.(state, index) ?? state;
      return options.gradientCheckpointing === true ? ops.boundary(entered, { index, of: 'value' }) : entered;
    },
    endSubLayer: (path, y, close) => plan.endSubLayer?.(path, y, close, adapters) ?? close(y),
    dropout: dropout ?? ((x) => x),
  };
}

function batchInputs(rows: Tensor | undefined): BatchInputs {
  const tokens = (name: string) => input(name, 'int64', ['batch', 'seq']);
  return {
    inputIds: tokens('input_ids'),
    attentionMask: tokens('attention_mask'),
    tokenTypeIds: tokens('token_type_ids'),
    targetIds: input('target_ids', 'int64', ['batch', 'target']),
    rows,
  };
}

/** Feeds of a batch; labels only where the batch has them and they are asked for. */
export function batchFeeds(batch: Batch, withLabels: boolean): Record<string, Value> {
  const shape = [batch.batchSize, batch.sequenceLength];
  const feeds: Record<string, Value> = {
    input_ids: { data: batch.inputIds, shape },
    attention_mask: { data: batch.attentionMask, shape },
    token_type_ids: { data: batch.tokenTypeIds, shape },
  };
  const { targetIds } = batch;
  if (targetIds !== undefined) {
    feeds.target_ids = { data: targetIds, shape: [batch.batchSize, targetIds.length / batch.batchSize] };
  }
  if (withLabels && batch.labels !== undefined) {
    const { data, shape: sizes, rows, beside } = batch.labels;
    Object.assign(feeds, beside);
    feeds.labels = { data, shape: sizes };
    if (rows !== undefined) feeds.rows = { data: rows, shape: [rows.length] };
  }
  return feeds;
}
