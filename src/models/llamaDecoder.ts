import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { constant, type Dim, multiplyDims, ops, type Tensor } from '../graph/index.js';
import { bidirectionalBias, causalBias, paddedCausalBias } from './causal.js';
import {
  activationNames,
  activations,
  configError,
  dropoutRate,
  fillerId,
  layerCount,
  rowCount,
  tokenId,
  width,
} from './config.js';
import {
  embeddingTensor,
  finalRows,
  lastTokens,
  layerModules,
  lengthsOf,
  linear,
  linearTensors,
  mergeHeads,
  rmsNormTensor,
  sizesOf,
  splitHeads,
} from './layers.js';
import type {
  Architecture,
  BatchInputs,
  BuildHooks,
  CachedInputs,
  Head,
  LayerCache,
  StepInputs,
  SubLayer,
  TaskType,
} from './model.js';
import { type OutputWeight, outputTensors, outputWeight } from './outputWeight.js';
import { type Rotary, type RotaryTables, rotaryConfigShape, rotaryOf, turned } from './rotary.js';
import { stepAttention, stepBias } from './stepAttention.js';
import { tokenHead } from './tokenHeads.js';

/** A layer by name; older files say `attention` for one that sees everything. */
const layerType = z
  .enum(['full_attention', 'sliding_attention', 'attention'])
  .transform((name) => (name === 'attention' ? 'full_attention' : name));

/** The settings that LLaMA and its relatives share in config.json, with transformers' defaults of LLaMA. */
export const llamaConfigShape = {
  ...rotaryConfigShape,
  vocab_size: rowCount.default(32_000),
  hidden_size: width.default(4096),
  intermediate_size: width.default(11_008),
  num_hidden_layers: layerCount.default(32),
  num_attention_heads: width.default(32),
  num_key_value_heads: width.nullish(),
  head_dim: width.nullish(),
  hidden_act: z.enum(activationNames).default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_dropout: dropoutRate.default(0),
  classifier_dropout: dropoutRate.nullish(),
  hidden_dropout: dropoutRate.nullish(),
  token_classification_bias: z.boolean().default(true),
  initializer_range: z.number().nonnegative().default(0.02),
  pad_token_id: tokenId.nullish(),
  is_causal: z.boolean().default(true),
};
export type LlamaConfig = z.infer<z.ZodObject<typeof llamaConfigShape>>;

/** Of relatives that have layers with windows. */
export const layerTypes = z.array(layerType).nullish();
export const windowSize = z.int().positive().nullable();

/** In what the relatives of LLaMA differ. */
export interface LlamaVariant {
  /** Start of transformers' class names. */
  readonly className: string;
  /** Of which projections there are biases. */
  readonly biases: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  /** By layer: the number of positions that it sees, the own one included; undefined for all. */
  readonly windows: readonly (number | undefined)[];
  /** By layer: whether its queries and keys are turned by their positions. Left out: all are. */
  readonly rotated?: readonly boolean[];
  /** RMS norms of queries and keys, before they are turned: of each head by itself, or over all heads. Left out: none. */
  readonly queryKeyNorms?: 'head' | 'all';
  /** Whether a sub-layer has its norm on what enters it, or on what it gives. Left out: before. */
  readonly norms?: keyof typeof normPlaces;
  readonly factors?: LlamaFactors;
  /** The heads that transformers has. Left out: all. */
  readonly heads?: readonly TaskType[];
}

/** What values are multiplied by where they enter or leave; 1 where left out. */
export interface LlamaFactors {
  readonly embeddings?: number;
  /** Of scores of attention, in the place of 1/√headSize. */
  readonly attention?: number;
  /** Of what a sub-layer adds. */
  readonly residual?: number;
  readonly logits?: number;
}

/** Names of the norms of a layer's sub-layers, on what enters them or on what they give. */
const normPlaces = {
  before: { attention: { before: 'input_layernorm' }, feedForward: { before: 'post_attention_layernorm' } },
  after: { attention: { after: 'post_attention_layernorm' }, feedForward: { after: 'post_feedforward_layernorm' } },
} as const satisfies Record<string, Record<SubLayer, SubLayerNorms>>;
interface SubLayerNorms {
  readonly before?: string;
  readonly after?: string;
}

/**
 * The windows of layers that are named one by one.
 * @throws DiffoError when there is not a name for each, or one slides that has no window
 */
export function windowsByType(
  checkpoint: Checkpoint,
  types: readonly string[],
  { num_hidden_layers: layers }: LlamaConfig,
  window: number | null,
): (number | undefined)[] {
  if (types.length !== layers) {
    throw configError(checkpoint, `layer_types has ${types.length} entries for ${layers} layers.`);
  }
  const sliding = types.indexOf('sliding_attention');
  if (sliding >= 0 && window === null) {
    throw configError(
      checkpoint,
      `layer_types says sliding_attention for layer ${sliding}, but there is no sliding_window. State it, or say full_attention.`,
    );
  }
  return types.map((type) => (type === 'sliding_attention' ? window! : undefined));
}

interface Decoder {
  readonly config: LlamaConfig;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly variant: LlamaVariant;
  readonly norms: Readonly<Record<SubLayer, SubLayerNorms>>;
  readonly rotary: Rotary;
  readonly output: OutputWeight;
}

/**
 * The architecture of LLaMA (arXiv 2302.13971) and its relatives: modeling_llama.py and the files of those that differ from it as
 * {@link LlamaVariant} says.
 * No head answers questions: transformers spells the backbone of these otherwise (`transformer.`), which no adapter fits.
 */
export function describeLlama(checkpoint: Checkpoint, config: LlamaConfig, variant: LlamaVariant): Architecture {
  const decoder = decoderOf(checkpoint, config, variant);
  const { heads, keyValueHeads, headSize, rotary } = decoder;
  const [queries, keys] = [heads * headSize, keyValueHeads * headSize];
  const { hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers } = config;
  const adaptable = layerModules('model.layers', layers, [
    ['self_attn.q_proj', hidden, queries, 'query'],
    ['self_attn.k_proj', hidden, keys, 'key'],
    ['self_attn.v_proj', hidden, keys, 'value'],
    ['self_attn.o_proj', queries, hidden, 'attention'],
    ['mlp.gate_proj', hidden, intermediate],
    ['mlp.up_proj', hidden, intermediate],
    ['mlp.down_proj', intermediate, hidden, 'feedForward'],
  ]);
  const perHead = variant.queryKeyNorms === 'head';
  const norms = Array.from({ length: layers }, (_, layer) => {
    const path = `model.layers.${layer}`;
    return [
      ...Object.values(decoder.norms).flatMap((places) =>
        Object.values(places).map((name) => rmsNormTensor(`${path}.${name}`, hidden)),
      ),
      ...(variant.queryKeyNorms === undefined
        ? []
        : [
            rmsNormTensor(`${path}.self_attn.q_norm`, perHead ? headSize : queries),
            rmsNormTensor(`${path}.self_attn.k_norm`, perHead ? headSize : keys),
          ]),
    ];
  }).flat();
  const states = (inputs: BatchInputs, hooks: BuildHooks) => encode(decoder, inputs, hooks);
  const dropout = config.classifier_dropout ?? config.hidden_dropout ?? 0.1;
  return {
    layers,
    adaptable,
    tensors: [
      embeddingTensor('model.embed_tokens', config.vocab_size, hidden),
      ...adaptable.flatMap(({ path, outFeatures, inFeatures }) =>
        linearTensors(path, outFeatures, inFeatures).slice(0, hasBias(decoder, path) ? 2 : 1),
      ),
      ...norms,
      rmsNormTensor('model.norm', hidden),
    ],
    spellings: decoder.output.spellings,
    // A tied output is saved by some as a second copy of the embeddings.
    isBuffer: (name) =>
      name.endsWith('rotary_emb.inv_freq') || (config.tie_word_embeddings && name === 'lm_head.weight'),
    vocabSize: config.vocab_size,
    maxLength: rotary.maxLength,
    padTokenId: fillerId(config.pad_token_id ?? null, config.vocab_size),
    states,
    heads: only(variant.heads, {
      CAUSAL_LM: () => causalHead(variant, decoder, states),
      SEQ_CLS: (numLabels) => sequenceHead(variant, config, numLabels, states),
      TOKEN_CLS: (numLabels) =>
        tokenHead('score', numLabels, {
          hiddenSize: hidden,
          initializerRange: config.initializer_range,
          encode: states,
          architecture: `${variant.className}ForTokenClassification`,
          dropout,
          bias: config.token_classification_bias,
        }),
    }),
    ...(config.is_causal
      ? {
          cached: {
            layers,
            heads: keyValueHeads,
            headSize,
            next: (inputs: CachedInputs, hooks: BuildHooks) => nextLogits(decoder, inputs, hooks),
            step: (inputs: StepInputs, hooks: BuildHooks) => stepLogits(decoder, inputs, hooks),
          },
        }
      : {}),
  };
}

function decoderOf(checkpoint: Checkpoint, config: LlamaConfig, variant: LlamaVariant): Decoder {
  const { hidden_size: hidden, num_attention_heads: heads } = config;
  const keyValueHeads = config.num_key_value_heads ?? heads;
  if (heads % keyValueHeads !== 0) {
    throw configError(
      checkpoint,
      `num_attention_heads ${heads} is no multiple of num_key_value_heads ${keyValueHeads}.`,
    );
  }
  if (config.head_dim == null && hidden % heads !== 0) {
    throw configError(checkpoint, `hidden_size ${hidden} is no multiple of num_attention_heads ${heads}.`);
  }
  const headSize = config.head_dim ?? hidden / heads;
  if (headSize % 2 !== 0)
    throw configError(checkpoint, `head_dim ${headSize} is odd, which rotary embeddings cannot be.`);
  return {
    config,
    heads,
    keyValueHeads,
    headSize,
    variant,
    norms: normPlaces[variant.norms ?? 'before'],
    rotary: rotaryOf(config, headSize, checkpoint),
    output: outputWeight(checkpoint, {
      isTied: config.tie_word_embeddings,
      embeddings: 'model.embed_tokens.weight',
      prefix: 'model.',
    }),
  };
}

function only(names: LlamaVariant['heads'], heads: Architecture['heads']): Architecture['heads'] {
  if (names === undefined) return heads;
  return Object.fromEntries(Object.entries(heads).filter(([name]) => names.includes(name as TaskType)));
}

function hasBias({ variant: { biases } }: Decoder, path: string): boolean {
  if (path.includes('.mlp.')) return biases.mlp;
  return path.endsWith('.o_proj') ? biases.output : biases.qkv;
}

/** …ForCausalLM: the next token by a linear module that is not trained, or by the embeddings where they are tied. */
function causalHead(
  variant: LlamaVariant,
  decoder: Decoder,
  states: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  const { vocab_size: vocabSize, hidden_size: hidden } = decoder.config;
  return {
    architecture: `${variant.className}ForCausalLM`,
    modules: [],
    ...outputTensors(decoder.output, [vocabSize, hidden]),
    logits(inputs, hooks) {
      const all = states(inputs, hooks);
      return vocabularyLogits(decoder, inputs.rows === undefined ? all : ops.gather(all, inputs.rows), hooks);
    },
  };
}

/** …ForSequenceClassification: `score` of the last token. */
function sequenceHead(
  { className }: LlamaVariant,
  { hidden_size: hidden, initializer_range: deviation }: LlamaConfig,
  numLabels: number,
  states: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  return {
    architecture: `${className}ForSequenceClassification`,
    modules: [
      { path: 'score', role: 'head', tensors: [{ name: 'score.weight', shape: [numLabels, hidden], deviation }] },
    ],
    logits: (inputs, hooks) => linear('score', lastTokens(states(inputs, hooks), inputs), hooks, { bias: false }),
  };
}

function vocabularyLogits({ variant }: Decoder, states: Tensor, hooks: BuildHooks): Tensor {
  return ops.scale(linear('lm_head', states, hooks, { bias: false }), variant.factors?.logits ?? 1);
}

/** Where queries and keys stand, and what follows from it. */
interface Positions extends RotaryTables {
  /** 0 where a query may see a key, the most negative float elsewhere, by size of the window: [(batch, 1,) seq, total]. */
  readonly bias: (window: number | undefined) => Tensor;
  readonly total: Dim;
}

/** States after the last norm [batch*seq, hidden]. */
function encode(decoder: Decoder, inputs: BatchInputs, hooks: BuildHooks): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const places = ops.range(seq);
  const lengths = decoder.rotary.dependsOnLength ? lengthsOf(inputs) : ops.size(seq);
  const bias = (window: number | undefined) =>
    decoder.config.is_causal ? causalBias(places, places, window) : bidirectionalBias(inputs, places, window);
  const positions = { ...decoder.rotary.tables(places, lengths), bias, total: seq };
  let state = embed(decoder, inputs.inputIds, hooks);
  for (let layer = 0; layer < decoder.config.num_hidden_layers; layer++) {
    state = hooks.startLayer(state);
    state = decoderLayer(decoder, layer, { state, batch, seq, positions }, hooks).state;
  }
  return rmsNorm('model.norm', state, decoder, hooks);
}

function nextLogits(decoder: Decoder, inputs: CachedInputs, hooks: BuildHooks) {
  const { batch, seq } = sizesOf(inputs);
  const total = inputs.keyPositions.shape[0]!;
  const { padding, keyPositions } = inputs;
  const bias = (window: number | undefined) =>
    padding === undefined
      ? causalBias(inputs.positions, keyPositions, window)
      : paddedCausalBias(padding, keyPositions, window);
  const positions = { ...decoder.rotary.tables(inputs.positions, ops.size(total)), bias, total };
  let state = embed(decoder, inputs.inputIds, hooks);
  const present = inputs.past.map((past, layer) => {
    const result = decoderLayer(decoder, layer, { state, batch, seq, positions, past }, hooks);
    state = result.state;
    return result.cache;
  });
  const wanted = inputs.logitsOf === 'all' ? state : ops.gather(state, finalRows(batch, seq));
  return { logits: vocabularyLogits(decoder, rmsNorm('model.norm', wanted, decoder, hooks), hooks), present };
}

function stepLogits(decoder: Decoder, inputs: StepInputs, hooks: BuildHooks) {
  const { inputIds, lengths } = inputs;
  const batch = inputIds.shape[0]!;
  const whole = ops.add(ops.cast(lengths, 'float32'), constant(1));
  const tables = decoder.rotary.tables(ops.reshape(lengths, [batch, 1]), whole);
  const positions = { ...tables, bias: (window: number | undefined) => stepBias(inputs, window), total: 1 };
  let state = embed(decoder, inputIds, hooks);
  const added = inputs.past.map((kept, layer) => {
    const result = decoderLayer(decoder, layer, { state, batch, seq: 1, positions, kept }, hooks);
    state = result.state;
    return result.cache;
  });
  return { logits: vocabularyLogits(decoder, rmsNorm('model.norm', state, decoder, hooks), hooks), added };
}

function embed({ config, variant }: Decoder, inputIds: Tensor, hooks: BuildHooks): Tensor {
  const stored = ops.gather(hooks.weight('model.embed_tokens.weight'), inputIds);
  const words = ops.scale(stored, variant.factors?.embeddings ?? 1);
  return ops.reshape(words, [multiplyDims(inputIds.shape), config.hidden_size]);
}

interface LayerInputs {
  /** [batch*seq, hidden] */
  readonly state: Tensor;
  readonly batch: Dim;
  readonly seq: Dim;
  readonly positions: Positions;
  /** The cache before: it is appended to. */
  readonly past?: LayerCache;
  /** The cache of a step of one token a text: it is read where it lies. */
  readonly kept?: LayerCache;
}

function decoderLayer(decoder: Decoder, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
  const path = `model.layers.${layer}`;
  const { norms, variant, config } = decoder;
  const norm = (name: string | undefined, x: Tensor) =>
    name === undefined ? x : rmsNorm(`${path}.${name}`, x, decoder, hooks);
  const end = (of: SubLayer, module: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, y, (out) =>
      ops.add(residual, ops.scale(norm(norms[of].after, out), variant.factors?.residual ?? 1)),
    );
  const { state } = inputs;
  const entered = norm(norms.attention.before, state);
  const { output, cache } = attention(decoder, layer, { ...inputs, state: entered }, hooks);
  const middle = end('attention', 'self_attn.o_proj', output, state);
  const second = norm(norms.feedForward.before, middle);
  const project = (module: string, x: Tensor) =>
    linear(`${path}.mlp.${module}`, x, hooks, { bias: variant.biases.mlp });
  const gate = activations[config.hidden_act](project('gate_proj', second));
  const fed = project('down_proj', ops.mul(gate, project('up_proj', second)));
  return { state: end('feedForward', 'mlp.down_proj', fed, middle), cache };
}

/** Grouped-query attention (arXiv 2305.13245): the queries of a group stand below each other, so keys are not repeated. */
function attention(
  decoder: Decoder,
  layer: number,
  { state, batch, seq, positions, past, kept }: LayerInputs,
  hooks: BuildHooks,
) {
  const { heads, keyValueHeads, headSize, config, variant } = decoder;
  const { biases, windows, queryKeyNorms, rotated, factors } = variant;
  const path = `model.layers.${layer}.self_attn`;
  const split = (x: Tensor, count: number) => splitHeads(x, { batch, length: seq, heads: count, headSize });
  const project = (name: string) => linear(`${path}.${name}`, state, hooks, { bias: biases.qkv });
  const placed = (name: 'q' | 'k', count: number) => {
    const normed = (x: Tensor) => rmsNorm(`${path}.${name}_norm`, x, decoder, hooks);
    const projected = project(`${name}_proj`);
    const whole = split(queryKeyNorms === 'all' ? normed(projected) : projected, count);
    const each = queryKeyNorms === 'head' ? normed(whole) : whole;
    return rotated?.[layer] === false ? each : turned(each, positions);
  };
  const { total } = positions;
  const append = (before: Tensor | undefined, now: Tensor) => (before ? ops.concat([before, now], 2, total) : now);
  const query = placed('q', heads);
  const key = append(past?.key, placed('k', keyValueHeads));
  const value = append(past?.value, split(project('v_proj'), keyValueHeads));

  const group = heads / keyValueHeads;
  const groupRows = multiplyDims([group, seq]);
  const grouped = ops.reshape(query, [batch, keyValueHeads, groupRows, headSize]);
  const [cache, bias, alpha] = [
    { key, value },
    positions.bias(windows[layer]),
    factors?.attention ?? 1 / Math.sqrt(headSize),
  ];
  const output = (mixed: Tensor) => {
    const merged = mergeHeads(ops.reshape(mixed, [batch, heads, seq, headSize]));
    return linear(`${path}.o_proj`, merged, hooks, { bias: biases.output });
  };
  if (kept !== undefined) {
    return { output: output(stepAttention({ query: grouped, added: cache, past: kept, bias, alpha })), cache };
  }
  const scores = ops.matmul(grouped, key, { transB: true, alpha });
  const visible = ops.add(ops.reshape(scores, [batch, heads, seq, total]), bias);
  const weights = hooks.dropout(ops.softmax(visible), config.attention_dropout);
  return { output: output(ops.matmul(ops.reshape(weights, [batch, keyValueHeads, groupRows, total]), value)), cache };
}

function rmsNorm(path: string, x: Tensor, { config }: Decoder, hooks: BuildHooks): Tensor {
  return ops.rmsNorm(x, hooks.weight(`${path}.weight`), config.rms_norm_eps)[0]!;
}
