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
import { configKeys, only } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { embeddingTensor, layerModules, layerNorm, linear, linearTensors, normTensors } from './layers.js';
import type { Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { outputName, outputWeight } from './outputWeight.js';
import { type Rotary, rotaryConfigShape, rotaryOf, turned } from './rotary.js';
import { tokenHead } from './tokenHeads.js';

const { rope_theta: _, partial_rotary_factor: __, ...rotaryShape } = rotaryConfigShape;
const configSchema = z.object({
  ...rotaryShape,
  vocab_size: rowCount.default(50_432),
  hidden_size: width.default(6144),
  num_hidden_layers: layerCount.default(44),
  num_attention_heads: width.default(64),
  intermediate_size: width.default(24_576),
  hidden_act: z.enum(activationNames).default('gelu'),
  attention_dropout: dropoutRate.default(0),
  hidden_dropout: dropoutRate.default(0),
  classifier_dropout: dropoutRate.default(0.1),
  initializer_range: z.number().nonnegative().default(0.02),
  layer_norm_eps: z.number().positive().default(1e-5),
  pad_token_id: tokenId.nullish(),
  tie_word_embeddings: z.boolean().default(false),
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  rotary_pct: z.number().positive().max(1).default(0.25),
  rotary_emb_base: z.number().positive().default(10_000),
  is_causal: z.boolean().default(true),
});
const keys = configKeys(configSchema, {
  refused: {
    ...refusedWindows({ key: 'max_position_embeddings', usual: 2048 }),
    rope_theta: only([null], 'this family has it as rotary_emb_base'),
    partial_rotary_factor: only([null], 'this family has it as rotary_pct'),
  },
});
type Config = z.infer<typeof configSchema>;

const prefix = 'gpt_neox';
const layerPath = (layer: number) => `${prefix}.layers.${layer}`;
/** What files call the output over the vocabulary. */
const storedOutput = 'embed_out.weight';

/** GPT-NeoX and Pythia (arXiv 2204.06745, 2304.01373): both sub-layers read the same state; modeling_gpt_neox.py. */
export const gptNeox: Family = { name: 'GPT-NeoX', modelTypes: ['gpt_neox'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const { hidden_size: hidden, num_hidden_layers: layers, num_attention_heads: heads } = config;
  const headSize = headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', heads]);
  const output = outputWeight(checkpoint, {
    isTied: config.tie_word_embeddings,
    embeddings: `${prefix}.embed_in.weight`,
    prefix: `${prefix}.`,
  });
  const adaptable = layerModules(`${prefix}.layers`, layers, [
    ['attention.query_key_value', hidden, 3 * hidden, 'queryKeyValue'],
    ['attention.dense', hidden, hidden, 'attention'],
    ['mlp.dense_h_to_4h', hidden, config.intermediate_size],
    ['mlp.dense_4h_to_h', config.intermediate_size, hidden, 'feedForward'],
  ]);
  const rotary = rotaryFor(config, headSize, checkpoint);
  const parts = partsOf(config, rotary);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => decoderStates(parts, inputs, hooks);
  const perToken = { hiddenSize: hidden, initializerRange: config.initializer_range };
  return {
    layers,
    adaptable,
    tensors: [
      embeddingTensor(`${prefix}.embed_in`, config.vocab_size, hidden),
      ...adaptable.flatMap(({ path, module, outFeatures, inFeatures }) => {
        const isBiased = config.attention_bias || module.startsWith('mlp.');
        return linearTensors(path, outFeatures, inFeatures).slice(0, isBiased ? 2 : 1);
      }),
      ...Array.from({ length: layers }, (_, layer) =>
        ['input_layernorm', 'post_attention_layernorm'].flatMap((norm) =>
          normTensors(`${layerPath(layer)}.${norm}`, hidden),
        ),
      ).flat(),
      ...normTensors(`${prefix}.final_layer_norm`, hidden),
    ],
    spellings: (name) => (name === outputName ? [outputName, storedOutput] : output.spellings(name)),
    isBuffer: (name) =>
      /\.attention\.(masked_)?bias$|rotary_emb\.inv_freq$/.test(name) ||
      (config.tie_word_embeddings && (name === outputName || name === storedOutput)),
    vocabSize: config.vocab_size,
    maxLength: rotary.maxLength,
    padTokenId: fillerId(config.pad_token_id ?? null, config.vocab_size),
    states,
    heads: {
      CAUSAL_LM: () =>
        causalHead({
          architecture: 'GPTNeoXForCausalLM',
          output,
          shape: [config.vocab_size, hidden],
          states,
          logits: vocabularyLogits,
        }),
      SEQ_CLS: (numLabels) =>
        lastTokenHead(numLabels, { ...perToken, architecture: 'GPTNeoXForSequenceClassification', states }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, {
          ...perToken,
          architecture: 'GPTNeoXForTokenClassification',
          dropout: config.classifier_dropout,
          encode: states,
        }),
    },
    ...(config.is_causal ? { cached: cachedDecoder(parts, { heads, headSize }) } : {}),
  };
}

function rotaryFor(config: Config, headSize: number, checkpoint: Checkpoint): Rotary {
  const { rope_scaling: scaling, rope_parameters: parameters } = config;
  const settings = scaling ?? parameters;
  const turnedSize = Math.floor(headSize * (settings?.partial_rotary_factor ?? config.rotary_pct));
  if (turnedSize < 2 || turnedSize % 2 !== 0) {
    throw configError(
      checkpoint,
      `rotary_pct turns ${turnedSize} of ${headSize} numbers of a head; it takes an even number.`,
    );
  }
  return rotaryOf(
    {
      ...config,
      rope_scaling: null,
      rope_parameters: { rope_theta: config.rotary_emb_base, ...settings, partial_rotary_factor: 1 },
    },
    turnedSize,
    checkpoint,
  );
}

function partsOf(config: Config, rotary: Rotary): DecoderParts {
  return {
    layers: config.num_hidden_layers,
    isCausal: config.is_causal,
    embed(inputIds, _places, hooks) {
      const words = ops.gather(hooks.weight(`${prefix}.embed_in.weight`), inputIds);
      return hooks.dropout(
        ops.reshape(words, [multiplyDims(inputIds.shape), config.hidden_size]),
        config.hidden_dropout,
      );
    },
    layer: (index, inputs, hooks) => decoderLayer(config, rotary, index, inputs, hooks),
    finish: (state, hooks) => layerNorm(`${prefix}.final_layer_norm`, state, config.layer_norm_eps, hooks),
    logits: vocabularyLogits,
  };
}

function decoderLayer(config: Config, rotary: Rotary, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
  const path = layerPath(layer);
  const { state } = inputs;
  const norm = (name: string, x: Tensor) => layerNorm(`${path}.${name}`, x, config.layer_norm_eps, hooks);
  const end = (module: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, hooks.dropout(y, config.hidden_dropout), (out) => ops.add(out, residual));
  const entered = { ...inputs, state: norm('input_layernorm', state) };
  const { output, cache } = attention(config, rotary, path, entered, hooks);
  const middle = end('attention.dense', output, state);
  const second = norm('post_attention_layernorm', config.use_parallel_residual ? state : middle);
  const inner = activations[config.hidden_act](linear(`${path}.mlp.dense_h_to_4h`, second, hooks));
  return { state: end('mlp.dense_4h_to_h', linear(`${path}.mlp.dense_4h_to_h`, inner, hooks), middle), cache };
}

/** Query, key and value of a head lie one behind the other, head by head. */
function attention(config: Config, rotary: Rotary, path: string, inputs: LayerInputs, hooks: BuildHooks) {
  const { num_attention_heads: heads, hidden_size: hidden, attention_bias: bias } = config;
  const headSize = hidden / heads;
  const { places } = inputs;
  const joined = linear(`${path}.attention.query_key_value`, inputs.state, hooks, { bias });
  const byHead = ops.transpose(ops.reshape(joined, [places.batch, places.seq, heads, 3 * headSize]), [0, 2, 1, 3]);
  const part = (index: number) => ops.slice(byHead, { axis: 3, start: index * headSize, length: headSize });
  const tables = places.tables(rotary);
  const asked = {
    query: turned(part(0), tables),
    key: turned(part(1), tables),
    value: part(2),
    dropout: config.attention_dropout,
  };
  const { mixed, cache } = decoderAttention(asked, inputs, hooks);
  return { output: linear(`${path}.attention.dense`, mixed, hooks, { bias }), cache };
}
