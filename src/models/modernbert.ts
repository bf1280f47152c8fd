import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { constant, multiplyDims, ops, type Tensor } from '../graph/index.js';
import { bidirectionalBias } from './causal.js';
import {
  activationNames,
  activations,
  configError,
  dropoutRate,
  fillerId,
  headSizeOf,
  layerCount,
  readConfig,
  rowCount,
  tokenId,
  width,
} from './config.js';
import { configKeys } from './keys/configKeys.js';
import {
  embeddingTensor,
  firstTokens,
  headLinear,
  layerModules,
  linear,
  linearTensors,
  mergeHeads,
  normTensors,
  sizesOf,
  splitHeads,
} from './layers.js';
import { layerTypes } from './llamaDecoder.js';
import { newNorm, outputOf, wantedStates } from './maskedHead.js';
import type { Architecture, BatchInputs, BuildHooks, Family, Head, HeadModule } from './model.js';
import {
  type Rotary,
  type RotaryConfig,
  rotaryOf,
  rotaryParameters,
  rotaryParametersByType,
  turned,
} from './rotary.js';

const configSchema = z.object({
  vocab_size: rowCount.default(50_368),
  hidden_size: width.default(768),
  intermediate_size: width.default(1152),
  num_hidden_layers: layerCount.default(22),
  num_attention_heads: width.default(12),
  hidden_activation: z.enum(activationNames).default('gelu'),
  max_position_embeddings: rowCount.default(8192),
  initializer_range: z.number().nonnegative().default(0.02),
  norm_eps: z.number().positive().default(1e-5),
  norm_bias: z.boolean().default(false),
  pad_token_id: tokenId.default(50_283),
  attention_bias: z.boolean().default(false),
  attention_dropout: dropoutRate.default(0),
  layer_types: layerTypes,
  global_attn_every_n_layers: z.int().positive().default(3),
  local_attention: z.int().positive().default(128),
  sliding_window: z.int().positive().optional(),
  global_rope_theta: z.number().positive().default(160_000),
  local_rope_theta: z.number().positive().default(10_000),
  rope_scaling: rotaryParameters.nullish(),
  rope_parameters: rotaryParametersByType.nullish(),
  embedding_dropout: dropoutRate.default(0),
  mlp_bias: z.boolean().default(false),
  mlp_dropout: dropoutRate.default(0),
  classifier_pooling: z.enum(['cls', 'mean']).default('cls'),
  classifier_dropout: dropoutRate.default(0),
  classifier_bias: z.boolean().default(false),
  classifier_activation: z.enum(activationNames).default('gelu'),
  decoder_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});
const ofLosses = 'says at which tokens transformers computes logits, not what they are';
const keys = configKeys(configSchema, {
  ignored: {
    sparse_prediction: ofLosses,
    sparse_pred_ignore_index: ofLosses,
    deterministic_flash_attn: 'says how transformers computes the same numbers',
    reference_compile: 'says how transformers computes the same numbers',
    initializer_cutoff_factor: 'of weights that are made new, of which only initializer_range is read',
    cls_token_id: "ids of special tokens are the tokenizer's",
  },
});
type Config = z.infer<typeof configSchema>;

interface Encoder {
  readonly config: Config;
  readonly headSize: number;
  /** By layer: the largest distance that a token sees, undefined for all, and its positions. */
  readonly layers: readonly { readonly window: number | undefined; readonly rotary: Rotary }[];
}

const prefix = 'model';
const layerPath = (layer: number) => `${prefix}.layers.${layer}`;

/**
 * ModernBERT (arXiv 2412.13663): norms before sub-layers, rotary positions, a gated feed-forward part, and layers that see the
 * neighbourhood of a token alone; modeling_modernbert.py.
 */
export const modernBert: Family = { name: 'ModernBERT', modelTypes: ['modernbert'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const encoder = encoderOf(checkpoint, config);
  const { hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers } = config;
  const adaptable = layerModules(`${prefix}.layers`, layers, [
    ['attn.Wqkv', hidden, 3 * hidden, 'queryKeyValue'],
    ['attn.Wo', hidden, hidden, 'attention'],
    ['mlp.Wi', hidden, 2 * intermediate],
    ['mlp.Wo', intermediate, hidden, 'feedForward'],
  ]);
  const norm = (path: string) => normTensors(path, hidden).slice(0, config.norm_bias ? 2 : 1);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => encode(encoder, inputs, hooks);
  const perToken = (architecture: string) => (numLabels: number) => head(architecture, numLabels, config, states);
  return {
    layers,
    adaptable,
    tensors: [
      embeddingTensor(`${prefix}.embeddings.tok_embeddings`, config.vocab_size, hidden),
      ...norm(`${prefix}.embeddings.norm`),
      ...adaptable.flatMap(({ path, module, outFeatures, inFeatures }) => {
        const isBiased = module.startsWith('attn.') ? config.attention_bias : config.mlp_bias;
        return linearTensors(path, outFeatures, inFeatures).slice(0, isBiased ? 2 : 1);
      }),
      // The embeddings are normed already where the first layer begins.
      ...Array.from({ length: layers }, (_, layer) => [
        ...(layer === 0 ? [] : norm(`${layerPath(layer)}.attn_norm`)),
        ...norm(`${layerPath(layer)}.mlp_norm`),
      ]).flat(),
      ...norm(`${prefix}.final_norm`),
    ],
    spellings,
    vocabSize: config.vocab_size,
    maxLength: Math.min(...encoder.layers.map(({ rotary }) => rotary.maxLength)),
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    states,
    encoder: 'ModernBertModel',
    heads: {
      SEQ_CLS: (numLabels) =>
        head('ModernBertForSequenceClassification', numLabels, config, (inputs, hooks) =>
          pooled(config, states(inputs, hooks), inputs),
        ),
      TOKEN_CLS: perToken('ModernBertForTokenClassification'),
      QUESTION_ANS: () => perToken('ModernBertForQuestionAnswering')(2),
      MASKED_LM: () => maskedTokensHead(checkpoint, config, states),
    },
  };
}

const spellings = (name: string) => [name, name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : name];

function encoderOf(checkpoint: Checkpoint, config: Config): Encoder {
  const { num_hidden_layers: layers, hidden_size: hidden, num_attention_heads: heads } = config;
  const headSize = headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', heads]);
  if (headSize % 2 !== 0)
    throw configError(checkpoint, `the size of a head, ${headSize}, is odd, which rotary embeddings cannot be.`);
  const usual = Array.from({ length: layers }, (_, layer) =>
    layer % config.global_attn_every_n_layers === 0 ? 'full_attention' : 'sliding_attention',
  );
  const types = config.layer_types ?? usual;
  if (types.length !== layers)
    throw configError(checkpoint, `layer_types has ${types.length} entries for ${layers} layers.`);
  const rotary = (type: 'full_attention' | 'sliding_attention', theta: number): Rotary => {
    const settings: RotaryConfig = {
      max_position_embeddings: config.max_position_embeddings,
      rope_parameters: { ...config.rope_parameters?.[type], ...config.rope_scaling },
      rope_theta: theta,
    };
    return rotaryOf(settings, headSize, checkpoint);
  };
  const full = { window: undefined, rotary: rotary('full_attention', config.global_rope_theta) };
  const sliding = {
    window: config.sliding_window ?? Math.floor(config.local_attention / 2),
    rotary: rotary('sliding_attention', config.local_rope_theta),
  };
  return { config, headSize, layers: types.map((type) => (type === 'sliding_attention' ? sliding : full)) };
}

/** Hidden states after the last norm [batch*seq, hidden]. */
function encode(encoder: Encoder, inputs: BatchInputs, hooks: BuildHooks): Tensor {
  const { config, layers } = encoder;
  const { batch, seq } = sizesOf(inputs);
  const words = ops.gather(hooks.weight(`${prefix}.embeddings.tok_embeddings.weight`), inputs.inputIds);
  const rows = ops.reshape(words, [multiplyDims([batch, seq]), config.hidden_size]);
  let state = hooks.dropout(norm(`${prefix}.embeddings.norm`, rows, config, hooks), config.embedding_dropout);
  for (let layer = 0; layer < layers.length; layer++) {
    state = hooks.startLayer(state);
    state = encoderLayer(encoder, layer, state, inputs, hooks);
  }
  return norm(`${prefix}.final_norm`, state, config, hooks);
}

function encoderLayer(encoder: Encoder, layer: number, state: Tensor, inputs: BatchInputs, hooks: BuildHooks): Tensor {
  const { config } = encoder;
  const path = layerPath(layer);
  const end = (module: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, y, (out) => ops.add(residual, out));
  const entered = layer === 0 ? state : norm(`${path}.attn_norm`, state, config, hooks);
  const mixed = attention(encoder, layer, entered, inputs, hooks);
  const attended = linear(`${path}.attn.Wo`, mixed, hooks, { bias: config.attention_bias });
  const middle = end('attn.Wo', hooks.dropout(attended, config.attention_dropout), state);
  const wide = linear(`${path}.mlp.Wi`, norm(`${path}.mlp_norm`, middle, config, hooks), hooks, {
    bias: config.mlp_bias,
  });
  const half = (start: number) => ops.slice(wide, { axis: 1, start, length: config.intermediate_size });
  const gated = ops.mul(activations[config.hidden_activation](half(0)), half(config.intermediate_size));
  const fed = linear(`${path}.mlp.Wo`, hooks.dropout(gated, config.mlp_dropout), hooks, { bias: config.mlp_bias });
  return end('mlp.Wo', fed, middle);
}

function attention(
  { config, headSize, layers }: Encoder,
  layer: number,
  x: Tensor,
  inputs: BatchInputs,
  hooks: BuildHooks,
): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const { window, rotary } = layers[layer]!;
  const { hidden_size: hidden, num_attention_heads: heads, attention_bias: isBiased } = config;
  const fused = linear(`${layerPath(layer)}.attn.Wqkv`, x, hooks, { bias: isBiased });
  const [query, key, value] = [0, hidden, 2 * hidden].map((start) =>
    splitHeads(ops.slice(fused, { axis: 1, start, length: hidden }), { batch, length: seq, heads, headSize }),
  );
  const places = ops.range(seq);
  const tables = rotary.tables(places, ops.size(seq));
  const alpha = 1 / Math.sqrt(headSize);
  const scores = ops.matmul(turned(query!, tables), turned(key!, tables), { transB: true, alpha });
  const bias = bidirectionalBias(inputs, places, window);
  const weights = hooks.dropout(ops.softmax(ops.add(scores, bias)), config.attention_dropout);
  const mixed = ops.matmul(weights, value!);
  return mergeHeads(window === undefined ? mixed : ops.mul(mixed, seesAny(bias)));
}

/**
 * 1 for a token that sees another, 0 for padding so far behind a text that its window holds padding alone, [batch, 1, seq, 1]:
 * PyTorch's attention gives 0 there, which counts where a loss is over all places of a text.
 */
function seesAny(bias: Tensor): Tensor {
  const isSeen = ops.where(ops.greater(constant(0), bias), constant(0), constant(1));
  const count = ops.sum(isSeen, { axes: [3], keepDims: true });
  return ops.where(ops.greater(count, constant(0)), constant(1), constant(0));
}

/** The first token of each sequence, or the mean of its tokens: [batch, hidden]. */
function pooled(config: Config, states: Tensor, inputs: BatchInputs): Tensor {
  const { batch, seq } = sizesOf(inputs);
  if (config.classifier_pooling === 'cls') return firstTokens(states, { batch, seq });
  const mask = ops.reshape(ops.cast(inputs.attentionMask, 'float32'), [batch, seq, 1]);
  const sum = (x: Tensor) => ops.sum(x, { axes: [1], keepDims: false });
  return ops.div(sum(ops.mul(ops.reshape(states, [batch, seq, config.hidden_size]), mask)), sum(mask));
}

/** ModernBertPredictionHead, which is pretrained. */
function predictionModule({
  hidden_size: hidden,
  initializer_range: range,
  classifier_bias,
  norm_bias,
}: Config): HeadModule {
  return {
    path: 'head',
    role: 'pooler',
    tensors: [
      ...headLinear('head.dense', hidden, hidden, range).slice(0, classifier_bias ? 2 : 1),
      ...newNorm(normTensors('head.norm', hidden).slice(0, norm_bias ? 2 : 1), hidden),
    ],
  };
}

function prediction(x: Tensor, config: Config, hooks: BuildHooks): Tensor {
  const dense = linear('head.dense', x, hooks, { bias: config.classifier_bias });
  return norm('head.norm', activations[config.classifier_activation](dense), config, hooks);
}

/** ModernBertPredictionHead, dropout, and `classifier`. */
function head(
  architecture: string,
  numLabels: number,
  config: Config,
  encode: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  const { hidden_size: hidden, initializer_range: range } = config;
  return {
    architecture,
    modules: [
      { path: 'classifier', role: 'head', tensors: headLinear('classifier', numLabels, hidden, range) },
      predictionModule(config),
    ],
    logits(inputs, hooks) {
      const normal = prediction(encode(inputs, hooks), config, hooks);
      return linear('classifier', hooks.dropout(normal, config.classifier_dropout), hooks);
    },
  };
}

/** ModernBertForMaskedLM: ModernBertPredictionHead, and the embeddings as `decoder`. */
function maskedTokensHead(
  checkpoint: Checkpoint,
  config: Config,
  encode: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  const output = outputOf(checkpoint, {
    output: 'decoder',
    embeddings: `${prefix}.embeddings.tok_embeddings.weight`,
    isTied: config.tie_word_embeddings,
    biases: config.decoder_bias ? ['decoder.bias'] : [],
    vocabSize: config.vocab_size,
    width: config.hidden_size,
    spellings,
  });
  return {
    architecture: 'ModernBertForMaskedLM',
    modules: [predictionModule(config)],
    ...output.tensors,
    logits: (inputs, hooks) =>
      output.logits(prediction(wantedStates(encode(inputs, hooks), inputs), config, hooks), hooks),
  };
}

function norm(path: string, x: Tensor, { norm_bias: isBiased, norm_eps: epsilon }: Config, hooks: BuildHooks): Tensor {
  const weight = hooks.weight(`${path}.weight`);
  const size = weight.shape[0] as number;
  const bias = isBiased ? hooks.weight(`${path}.bias`) : constant(new Float32Array(size), [size]);
  return ops.layerNorm(x, weight, bias, epsilon)[0]!;
}
