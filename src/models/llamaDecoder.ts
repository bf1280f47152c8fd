import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { constant, multiplyDims, ops, type Tensor } from '../graph/index.js';
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
import { cachedDecoder, type DecoderParts, decoderStates, type LayerInputs } from './decoder.js';
import { decoderAttention } from './decoderAttention.js';
import { causalHead, lastTokenHead, vocabularyLogits } from './decoderHeads.js';
import {
  embeddingTensor,
  type LayerModule,
  layerModules,
  linear,
  linearTensors,
  rmsNormTensor,
  splitHeads,
} from './layers.js';
import type { Architecture, BatchInputs, BuildHooks, Head, SubLayer, TaskType } from './model.js';
import { type OutputWeight, outputWeight } from './outputWeight.js';
import { type Rotary, type RotaryConfig, rotaryConfigShape, rotaryOf, turned } from './rotary.js';
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
  /** transformers' classes, of the heads that it has: see {@link llamaClasses}. */
  readonly classes: Partial<Record<LlamaHead, string>>;
  /** Of which projections there are biases. */
  readonly biases: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  /** By layer: the number of positions that it sees, the own one included; undefined for all. */
  readonly windows: readonly (number | undefined)[];
  /** By layer: whether its queries and keys are turned by their positions. Left out: all are. */
  readonly rotated?: readonly boolean[];
  /** RMS norms of queries and keys, before they are turned: of each head by itself, or over all heads. Left out: none. */
  readonly queryKeyNorms?: 'head' | 'all';
  /** Whether a sub-layer has a norm on what enters it, on what it gives, or on both. Left out: before. */
  readonly norms?: keyof typeof normPlaces;
  /** What is added to the weights of norms, which are stored as what they differ from it. Left out: 0. */
  readonly normOffset?: number;
  readonly factors?: LlamaFactors;
  /** Soft limits: x becomes limit · tanh(x / limit). Left out: none. */
  readonly limits?: { readonly scores?: number | undefined; readonly logits?: number | undefined };
  /** By layer: the settings of its rotary positions, where layers differ. Left out: those of config.json. */
  readonly rotaries?: readonly RotaryConfig[];
  /** The share of a head, from its start, that is turned by positions. Left out: all of it. */
  readonly rotaryShare?: number | undefined;
  /** Rate of dropout on what a sub-layer gives. Left out: 0. */
  readonly dropout?: number;
  /** One module for queries, keys and values (`qkv_proj`), and one for both halves of the feed-forward part (`gate_up_proj`). */
  readonly fused?: boolean;
}

/** Heads of LLaMA and its relatives, with the ends of their classes' names. */
const classEndings = {
  CAUSAL_LM: 'ForCausalLM',
  SEQ_CLS: 'ForSequenceClassification',
  TOKEN_CLS: 'ForTokenClassification',
} as const satisfies Partial<Record<TaskType, string>>;
type LlamaHead = keyof typeof classEndings;
const llamaHeads = Object.keys(classEndings) as LlamaHead[];

/** Names of the classes of a family, as transformers usually gives them. */
export function llamaClasses(family: string, heads = llamaHeads): Partial<Record<LlamaHead, string>> {
  return Object.fromEntries(heads.map((head) => [head, `${family}${classEndings[head]}`]));
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
  around: {
    attention: { before: 'input_layernorm', after: 'post_attention_layernorm' },
    feedForward: { before: 'pre_feedforward_layernorm', after: 'post_feedforward_layernorm' },
  },
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
  /** By layer; layers alike have the same. */
  readonly rotaries: readonly Rotary[];
  readonly output: OutputWeight;
}

/**
 * The architecture of LLaMA (arXiv 2302.13971) and its relatives: modeling_llama.py and the files of those that differ from it as
 * {@link LlamaVariant} says.
 * No head answers questions: transformers spells the backbone of these otherwise (`transformer.`), which no adapter fits.
 */
export function describeLlama(checkpoint: Checkpoint, config: LlamaConfig, variant: LlamaVariant): Architecture {
  const decoder = decoderOf(checkpoint, config, variant);
  const { heads, keyValueHeads, headSize, rotaries } = decoder;
  const [queries, keys] = [heads * headSize, keyValueHeads * headSize];
  const { hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers } = config;
  const own: LayerModule[] = [
    ['self_attn.q_proj', hidden, queries, 'query'],
    ['self_attn.k_proj', hidden, keys, 'key'],
    ['self_attn.v_proj', hidden, keys, 'value'],
    ['self_attn.o_proj', queries, hidden, 'attention'],
    ['mlp.gate_proj', hidden, intermediate],
    ['mlp.up_proj', hidden, intermediate],
    ['mlp.down_proj', intermediate, hidden, 'feedForward'],
  ];
  const fused: LayerModule[] = [
    ['self_attn.qkv_proj', hidden, queries + 2 * keys, 'queryKeyValue'],
    ['self_attn.o_proj', queries, hidden, 'attention'],
    ['mlp.gate_up_proj', hidden, 2 * intermediate],
    ['mlp.down_proj', intermediate, hidden, 'feedForward'],
  ];
  const adaptable = layerModules('model.layers', layers, variant.fused === true ? fused : own);
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
  const parts = partsOf(decoder);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => decoderStates(parts, inputs, hooks);
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
    maxLength: Math.min(...rotaries.map(({ maxLength }) => maxLength)),
    padTokenId: fillerId(config.pad_token_id ?? null, config.vocab_size),
    states,
    heads: headsOf(variant, {
      CAUSAL_LM: (architecture) => () =>
        causalHead({
          architecture,
          output: decoder.output,
          shape: [config.vocab_size, hidden],
          states,
          logits: parts.logits,
        }),
      SEQ_CLS: (architecture) => (numLabels) =>
        lastTokenHead(numLabels, {
          architecture,
          hiddenSize: hidden,
          initializerRange: config.initializer_range,
          states,
        }),
      TOKEN_CLS: (architecture) => (numLabels) =>
        tokenHead('score', numLabels, {
          hiddenSize: hidden,
          initializerRange: config.initializer_range,
          encode: states,
          architecture,
          dropout,
          bias: config.token_classification_bias,
        }),
    }),
    ...(config.is_causal ? { cached: cachedDecoder(parts, { heads: keyValueHeads, headSize }) } : {}),
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
  const turnedSize = Math.floor(headSize * (variant.rotaryShare ?? 1));
  if (turnedSize % 2 !== 0)
    throw configError(checkpoint, `head_dim ${turnedSize} is odd, which rotary embeddings cannot be.`);
  const made = new Map<RotaryConfig, Rotary>();
  const rotaryFor = (settings: RotaryConfig) => {
    const rotary = made.get(settings) ?? rotaryOf(settings, turnedSize, checkpoint);
    made.set(settings, rotary);
    return rotary;
  };
  return {
    config,
    heads,
    keyValueHeads,
    headSize,
    variant,
    norms: normPlaces[variant.norms ?? 'before'],
    rotaries: Array.from({ length: config.num_hidden_layers }, (_, layer) =>
      rotaryFor(variant.rotaries?.[layer] ?? config),
    ),
    output: outputWeight(checkpoint, {
      isTied: config.tie_word_embeddings,
      embeddings: 'model.embed_tokens.weight',
      prefix: 'model.',
    }),
  };
}

/** The heads that there are classes for. */
function headsOf(
  { classes }: LlamaVariant,
  made: Record<LlamaHead, (architecture: string) => (numLabels: number) => Head>,
): Architecture['heads'] {
  return Object.fromEntries(
    llamaHeads.flatMap((head) => {
      const name = classes[head];
      return name === undefined ? [] : [[head, made[head](name)]];
    }),
  );
}

function hasBias({ variant: { biases } }: Decoder, path: string): boolean {
  if (path.includes('.mlp.')) return biases.mlp;
  return path.endsWith('.o_proj') ? biases.output : biases.qkv;
}

/** limit · tanh(x / limit) (Gemma 2, arXiv 2408.00118, section 2). */
function limited(x: Tensor, limit: number | undefined): Tensor {
  return limit === undefined ? x : ops.scale(ops.tanh(ops.scale(x, 1 / limit)), limit);
}

function partsOf(decoder: Decoder): DecoderParts {
  const { config, variant } = decoder;
  return {
    layers: config.num_hidden_layers,
    isCausal: config.is_causal,
    embed: (inputIds, _places, hooks) => embed(decoder, inputIds, hooks),
    layer: (index, inputs, hooks) => decoderLayer(decoder, index, inputs, hooks),
    finish: (state, hooks) => rmsNorm('model.norm', state, decoder, hooks),
    logits: (states, hooks) =>
      limited(ops.scale(vocabularyLogits(states, hooks), variant.factors?.logits ?? 1), variant.limits?.logits),
  };
}

function embed({ config, variant }: Decoder, inputIds: Tensor, hooks: BuildHooks): Tensor {
  const stored = ops.gather(hooks.weight('model.embed_tokens.weight'), inputIds);
  const words = ops.scale(stored, variant.factors?.embeddings ?? 1);
  return ops.reshape(words, [multiplyDims(inputIds.shape), config.hidden_size]);
}

function decoderLayer(decoder: Decoder, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
  const path = `model.layers.${layer}`;
  const { norms, variant, config } = decoder;
  const norm = (name: string | undefined, x: Tensor) =>
    name === undefined ? x : rmsNorm(`${path}.${name}`, x, decoder, hooks);
  const end = (of: SubLayer, module: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, hooks.dropout(y, variant.dropout ?? 0), (out) =>
      ops.add(residual, ops.scale(norm(norms[of].after, out), variant.factors?.residual ?? 1)),
    );
  const { state } = inputs;
  const entered = norm(norms.attention.before, state);
  const { output, cache } = attention(decoder, layer, { ...inputs, state: entered }, hooks);
  const middle = end('attention', 'self_attn.o_proj', output, state);
  const second = norm(norms.feedForward.before, middle);
  const project = (module: string, x: Tensor) =>
    linear(`${path}.mlp.${module}`, x, hooks, { bias: variant.biases.mlp });
  const [gate, up] =
    variant.fused === true
      ? cut(project('gate_up_proj', second), [config.intermediate_size, config.intermediate_size])
      : [project('gate_proj', second), project('up_proj', second)];
  const fed = project('down_proj', ops.mul(activations[config.hidden_act](gate!), up!));
  return { state: end('feedForward', 'mlp.down_proj', fed, middle), cache };
}

/** Parts of the last axis of x [rows, …], one behind the other. */
function cut(x: Tensor, lengths: readonly number[]): Tensor[] {
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return ops.slice(x, { axis: 1, start: end - length, length });
  });
}

function attention(decoder: Decoder, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
  const { heads, keyValueHeads, headSize, config, variant, rotaries } = decoder;
  const { biases, windows, queryKeyNorms, rotated, factors } = variant;
  const { state, places } = inputs;
  const { batch, seq } = places;
  const path = `model.layers.${layer}.self_attn`;
  const split = (x: Tensor, count: number) => splitHeads(x, { batch, length: seq, heads: count, headSize });
  const project = (name: string) => linear(`${path}.${name}`, state, hooks, { bias: biases.qkv });
  const sizes = [heads, keyValueHeads, keyValueHeads].map((count) => count * headSize);
  const projected =
    variant.fused === true ? cut(project('qkv_proj'), sizes) : ['q_proj', 'k_proj', 'v_proj'].map(project);
  const placed = (name: 'q' | 'k', x: Tensor, count: number) => {
    const normed = (y: Tensor) => rmsNorm(`${path}.${name}_norm`, y, decoder, hooks);
    const whole = split(queryKeyNorms === 'all' ? normed(x) : x, count);
    const each = queryKeyNorms === 'head' ? normed(whole) : whole;
    return rotated?.[layer] === false ? each : turned(each, places.tables(rotaries[layer]!));
  };
  const { mixed, cache } = decoderAttention(
    {
      query: placed('q', projected[0]!, heads),
      key: placed('k', projected[1]!, keyValueHeads),
      value: split(projected[2]!, keyValueHeads),
      window: windows[layer],
      alpha: factors?.attention,
      limit: (scores) => limited(scores, variant.limits?.scores),
      dropout: config.attention_dropout,
    },
    inputs,
    hooks,
  );
  return { output: linear(`${path}.o_proj`, mixed, hooks, { bias: biases.output }), cache };
}

function rmsNorm(path: string, x: Tensor, { config, variant }: Decoder, hooks: BuildHooks): Tensor {
  const stored = hooks.weight(`${path}.weight`);
  const weight = variant.normOffset === undefined ? stored : ops.add(stored, constant(variant.normOffset));
  return ops.rmsNorm(x, weight, config.rms_norm_eps)[0]!;
}
