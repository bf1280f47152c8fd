import { constant, type Dim, multiplyDims, ops, type Tensor } from '../graph/index.js';
import {
  type AdaptableModule,
  type BatchInputs,
  type BuildHooks,
  type Projection,
  projections,
  type SubLayer,
} from './model.js';
import type { ExpectedTensor } from './weights.js';

/** Most negative float32: what transformers adds to the scores of positions that must not be seen. */
export const masked = -3.4028234663852886e38;

/** Sizes of a batch, as the graph knows them. */
export function sizesOf({ inputIds }: Pick<BatchInputs, 'inputIds'>): { readonly batch: Dim; readonly seq: Dim } {
  const [batch, seq] = inputIds.shape as [Dim, Dim];
  return { batch, seq };
}

/** x Wᵀ + b [rows, out] and what the adapter adds; `bias: false` for modules without b. */
export function linear(path: string, x: Tensor, hooks: BuildHooks, { bias = true } = {}): Tensor {
  const weight = hooks.weight(`${path}.weight`);
  const product = ops.matmul(x, weight, { transB: true });
  return hooks.adapt({ path, x, weight, product, bias: bias ? hooks.weight(`${path}.bias`) : undefined });
}

/** Layer normalisation over the last axis. */
export function layerNorm(path: string, x: Tensor, epsilon: number, hooks: BuildHooks): Tensor {
  return ops.layerNorm(x, hooks.weight(`${path}.weight`), hooks.weight(`${path}.bias`), epsilon)[0]!;
}

/** [batch*length, heads*size] → [batch, heads, length, size] */
export function splitHeads(x: Tensor, sizes: { batch: Dim; length: Dim; heads: number; headSize: number }): Tensor {
  const { batch, length, heads, headSize } = sizes;
  return ops.transpose(ops.reshape(x, [batch, length, heads, headSize]), [0, 2, 1, 3]);
}

/** [batch, heads, length, size] → [batch*length, heads*size] */
export function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, length, size] = x.shape as [Dim, Dim, Dim, Dim];
  return ops.reshape(ops.transpose(x, [0, 2, 1, 3]), [multiplyDims([batch, length]), multiplyDims([heads, size])]);
}

/** What the layers of an encoder compute with. */
export interface EncoderLayerInputs {
  /** [batch*seq, hidden] */
  readonly state: Tensor;
  /** Rows whose output is wanted: all of state, or the first token of each sequence [batch, hidden]. */
  readonly queries: Tensor;
  readonly batch: Dim;
  readonly seq: Dim;
  /** [batch, 1, 1, seq], or [batch, 1, seq, seq] where a token does not see all others */
  readonly maskBias: Tensor;
}

/**
 * Scaled dot-product attention over several heads (arXiv 1706.03762, section 3.2): softmax(Q Kᵀ / √d + mask) V.
 * @param projections query of `queries`, key and value of `state`, each [rows, heads*headSize]
 * @returns [rows of queries, heads*headSize]
 */
export function selfAttention(
  projections: { readonly query: Tensor; readonly key: Tensor; readonly value: Tensor },
  { state, queries, batch, seq, maskBias }: EncoderLayerInputs,
  { heads, headSize, dropout }: { readonly heads: number; readonly headSize: number; readonly dropout: number },
  hooks: BuildHooks,
): Tensor {
  const split = (x: Tensor, length: Dim) => splitHeads(x, { batch, length, heads, headSize });
  const query = split(projections.query, queries === state ? seq : 1);
  const key = split(projections.key, seq);
  const scores = ops.matmul(query, key, { transB: true, alpha: 1 / Math.sqrt(headSize) });
  const weights = hooks.dropout(ops.softmax(ops.add(scores, maskBias)), dropout);
  return mergeHeads(ops.matmul(weights, split(projections.value, seq)));
}

/** 0 where a token is, the most negative float where padding is: [batch, 1, 1, seq]. */
export function paddingBias(inputs: BatchInputs): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const padding = ops.sub(constant(1), ops.cast(inputs.attentionMask, 'float32'));
  return ops.reshape(ops.scale(padding, masked), [batch, 1, 1, seq]);
}

/** [batch*seq, hidden] → the first token of each sequence [batch, hidden] */
export function firstTokens(state: Tensor, { batch, seq }: { batch: Dim; seq: Dim }): Tensor {
  const hidden = state.shape[1]!;
  const sequences = ops.reshape(state, [batch, seq, hidden]);
  return ops.reshape(ops.slice(sequences, { axis: 1, start: 0, length: 1 }), [batch, hidden]);
}

/** A table of embeddings [rows, width]. */
export function embeddingTensor(path: string, rows: number, width: number): ExpectedTensor {
  return { name: `${path}.weight`, shape: [rows, width], isEmbedding: true };
}

/** Names and shapes of a linear module's or a layer norm's tensors. */
export function linearTensors(path: string, outFeatures: number, inFeatures: number) {
  return [
    { name: `${path}.weight`, shape: [outFeatures, inFeatures] },
    { name: `${path}.bias`, shape: [outFeatures] },
  ];
}

export function normTensors(path: string, size: number): ExpectedTensor[] {
  return [rmsNormTensor(path, size), { name: `${path}.bias`, shape: [size], isNorm: true }];
}

/** An RMS norm has no offset. */
export function rmsNormTensor(path: string, size: number): ExpectedTensor {
  return { name: `${path}.weight`, shape: [size], isNorm: true };
}

/** A linear module of a head: weights are drawn with the model's initializer_range, biases start at 0. */
export function headLinear(path: string, outFeatures: number, inFeatures: number, initializerRange: number) {
  const [weight, bias] = linearTensors(path, outFeatures, inFeatures);
  return [
    { ...weight!, deviation: initializerRange },
    { ...bias!, deviation: 0 },
  ];
}

/** A module of a layer: its path within the layer, its sizes, and its role, where it has one. */
export type LayerModule = readonly [
  module: string,
  inFeatures: number,
  outFeatures: number,
  role?: SubLayer | Projection,
];

/** The `modules` of every layer, layer by layer. */
export function layerModules(prefix: string, layers: number, modules: readonly LayerModule[]): AdaptableModule[] {
  return Array.from({ length: layers }, (_, layer) =>
    modules.map(([module, inFeatures, outFeatures, role]) => {
      const place = { path: `${prefix}.${layer}.${module}`, layer, module, inFeatures, outFeatures };
      if (role === undefined) return place;
      return isProjection(role) ? { ...place, projects: role } : { ...place, ends: role };
    }),
  ).flat();
}

function isProjection(role: SubLayer | Projection): role is Projection {
  return projections.some((one) => one === role);
}

/** [batch*seq, hidden] → the last token of each sequence that is not padding [batch, hidden] */
export function lastTokens(state: Tensor, inputs: BatchInputs): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const lengths = lengthsOf(inputs);
  const starts = ops.mul(ops.cast(ops.range(batch), 'float32'), ops.size(seq));
  const last = ops.sub(ops.add(starts, lengths), constant(1));
  return ops.gather(state, ops.cast(last, 'int64'));
}

/** Tokens of each sequence, padding not counted: float32 [batch]. */
export function lengthsOf(inputs: BatchInputs): Tensor {
  return ops.sum(ops.cast(inputs.attentionMask, 'float32'), { axes: [1], keepDims: false });
}

/** Where the last of `seq` tokens of each sequence stands in [batch*seq]: int64 [batch]. */
export function finalRows(batch: Dim, seq: Dim): Tensor {
  const ordinals = ops.add(ops.cast(ops.range(batch), 'float32'), constant(1));
  return ops.cast(ops.sub(ops.mul(ordinals, ops.size(seq)), constant(1)), 'int64');
}
