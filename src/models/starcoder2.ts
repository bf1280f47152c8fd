import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { multiplyDims, ops, type Tensor } from '../graph/index.js';
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
import { cachedDecoder, type DecoderParts, decoderStates, type LayerInputs } from './decoder.js';
import { decoderAttention } from './decoderAttention.js';
import { causalHead, lastTokenHead, vocabularyLogits } from './decoderHeads.js';
import { configKeys } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { embeddingTensor, layerModules, layerNorm, linear, linearTensors, normTensors, splitHeads } from './layers.js';
import { windowSize } from './llamaDecoder.js';
import type { Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { outputName, outputWeight } from './outputWeight.js';
import { type Rotary, rotaryConfigShape, rotaryOf, turned } from './rotary.js';
import { tokenHead } from './tokenHeads.js';

const configSchema = z.object({
  ...rotaryConfigShape,
  vocab_size: rowCount.default(49_152),
  hidden_size: width.default(3072),
  intermediate_size: width.default(12_288),
  num_hidden_layers: layerCount.default(30),
  num_attention_heads: width.default(24),
  num_key_value_heads: width.default(2),
  head_dim: width.nullish(),
  hidden_act: z.enum(activationNames).default('gelu_pytorch_tanh'),
  max_position_embeddings: rowCount.default(4096),
  initializer_range: z.number().nonnegative().default(0.018042),
  norm_epsilon: z.number().positive().default(1e-5),
  pad_token_id: tokenId.nullish(),
  sliding_window: windowSize.default(null),
  attention_dropout: dropoutRate.default(0),
  residual_dropout: dropoutRate.default(0),
  embedding_dropout: dropoutRate.default(0),
  classifier_dropout: dropoutRate.nullish(),
  hidden_dropout: dropoutRate.nullish(),
  token_classification_bias: z.boolean().default(true),
  use_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
  is_causal: z.boolean().default(true),
});
const { attention_chunk_size, layer_types } = refusedWindows({ key: 'max_position_embeddings', usual: 4096 });
const keys = configKeys(configSchema, {
  refused: { attention_chunk_size: attention_chunk_size!, layer_types: layer_types! },
});
type Config = z.infer<typeof configSchema>;

interface Decoder {
  readonly config: Config;
  readonly headSize: number;
  readonly rotary: Rotary;
}

const layerPath = (layer: number) => `model.layers.${layer}`;

/** StarCoder2 (arXiv 2402.19173): grouped heads and rotary positions, with biases, norms of layers and a plain feed-forward part. */
export const starcoder2: Family = { name: 'StarCoder2', modelTypes: ['starcoder2'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const decoder = decoderOf(checkpoint);
  const { config, headSize } = decoder;
  const { hidden_size: hidden, num_hidden_layers: layers, num_key_value_heads: keyValueHeads } = config;
  const [queries, keysWidth] = [config.num_attention_heads * headSize, keyValueHeads * headSize];
  const output = outputWeight(checkpoint, {
    isTied: config.tie_word_embeddings,
    embeddings: 'model.embed_tokens.weight',
    prefix: 'model.',
  });
  const adaptable = layerModules('model.layers', layers, [
    ['self_attn.q_proj', hidden, queries, 'query'],
    ['self_attn.k_proj', hidden, keysWidth, 'key'],
    ['self_attn.v_proj', hidden, keysWidth, 'value'],
    ['self_attn.o_proj', queries, hidden, 'attention'],
    ['mlp.c_fc', hidden, config.intermediate_size],
    ['mlp.c_proj', config.intermediate_size, hidden, 'feedForward'],
  ]);
  const parts = partsOf(decoder);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => decoderStates(parts, inputs, hooks);
  const perToken = { hiddenSize: hidden, initializerRange: config.initializer_range };
  return {
    layers,
    adaptable,
    tensors: [
      embeddingTensor('model.embed_tokens', config.vocab_size, hidden),
      ...adaptable.flatMap(({ path, outFeatures, inFeatures }) =>
        linearTensors(path, outFeatures, inFeatures).slice(0, config.use_bias ? 2 : 1),
      ),
      ...Array.from({ length: layers }, (_, layer) =>
        ['input_layernorm', 'post_attention_layernorm'].flatMap((norm) =>
          normTensors(`${layerPath(layer)}.${norm}`, hidden),
        ),
      ).flat(),
      ...normTensors('model.norm', hidden),
    ],
    spellings: output.spellings,
    isBuffer: (name) => config.tie_word_embeddings && name === outputName,
    vocabSize: config.vocab_size,
    maxLength: decoder.rotary.maxLength,
    padTokenId: fillerId(config.pad_token_id ?? null, config.vocab_size),
    states,
    heads: {
      CAUSAL_LM: () =>
        causalHead({
          architecture: 'Starcoder2ForCausalLM',
          output,
          shape: [config.vocab_size, hidden],
          states,
          logits: vocabularyLogits,
        }),
      SEQ_CLS: (numLabels) =>
        lastTokenHead(numLabels, { ...perToken, architecture: 'Starcoder2ForSequenceClassification', states }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('score', numLabels, {
          ...perToken,
          architecture: 'Starcoder2ForTokenClassification',
          dropout: config.classifier_dropout ?? config.hidden_dropout ?? 0.1,
          bias: config.token_classification_bias,
          encode: states,
        }),
    },
    ...(config.is_causal ? { cached: cachedDecoder(parts, { heads: keyValueHeads, headSize }) } : {}),
  };
}

function decoderOf(checkpoint: Checkpoint): Decoder {
  const config = readConfig(configSchema, keys, checkpoint);
  const { num_attention_heads: heads, num_key_value_heads: keyValueHeads } = config;
  if (heads % keyValueHeads !== 0) {
    throw configError(
      checkpoint,
      `num_attention_heads ${heads} is no multiple of num_key_value_heads ${keyValueHeads}.`,
    );
  }
  const headSize =
    config.head_dim ?? headSizeOf(checkpoint, ['hidden_size', config.hidden_size], ['num_attention_heads', heads]);
  if (headSize % 2 !== 0)
    throw configError(checkpoint, `head_dim ${headSize} is odd, which rotary embeddings cannot be.`);
  return { config, headSize, rotary: rotaryOf(config, headSize, checkpoint) };
}

function partsOf(decoder: Decoder): DecoderParts {
  const { config } = decoder;
  return {
    layers: config.num_hidden_layers,
    isCausal: config.is_causal,
    embed(inputIds, _places, hooks) {
      const words = ops.gather(hooks.weight('model.embed_tokens.weight'), inputIds);
      const rows = ops.reshape(words, [multiplyDims(inputIds.shape), config.hidden_size]);
      return hooks.dropout(rows, config.embedding_dropout);
    },
    layer: (index, inputs, hooks) => decoderLayer(decoder, index, inputs, hooks),
    finish: (state, hooks) => layerNorm('model.norm', state, config.norm_epsilon, hooks),
    logits: vocabularyLogits,
  };
}

function decoderLayer(decoder: Decoder, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
  const { norm_epsilon: epsilon, use_bias: bias, residual_dropout: rate, hidden_act: activation } = decoder.config;
  const path = layerPath(layer);
  const { state } = inputs;
  const end = (module: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, hooks.dropout(y, rate), (out) => ops.add(residual, out));
  const entered = { ...inputs, state: layerNorm(`${path}.input_layernorm`, state, epsilon, hooks) };
  const { output, cache } = attention(decoder, path, entered, hooks);
  const middle = end('self_attn.o_proj', output, state);
  const second = layerNorm(`${path}.post_attention_layernorm`, middle, epsilon, hooks);
  const inner = activations[activation](linear(`${path}.mlp.c_fc`, second, hooks, { bias }));
  return { state: end('mlp.c_proj', linear(`${path}.mlp.c_proj`, inner, hooks, { bias }), middle), cache };
}

function attention({ config, headSize, rotary }: Decoder, path: string, inputs: LayerInputs, hooks: BuildHooks) {
  const { num_attention_heads: heads, num_key_value_heads: keyValueHeads, use_bias: bias } = config;
  const { places } = inputs;
  const project = (name: string, count: number) =>
    splitHeads(linear(`${path}.self_attn.${name}`, inputs.state, hooks, { bias }), {
      batch: places.batch,
      length: places.seq,
      heads: count,
      headSize,
    });
  const tables = places.tables(rotary);
  const asked = {
    query: turned(project('q_proj', heads), tables),
    key: turned(project('k_proj', keyValueHeads), tables),
    value: project('v_proj', keyValueHeads),
    window: config.sliding_window ?? undefined,
    dropout: config.attention_dropout,
  };
  const { mixed, cache } = decoderAttention(asked, inputs, hooks);
  return { output: linear(`${path}.self_attn.o_proj`, mixed, hooks, { bias }), cache };
}
