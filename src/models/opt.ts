import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { multiplyDims, ops, type Tensor } from '../graph/index.js';
import {
  activationNames,
  activations,
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
import { embeddingTensor, layerModules, layerNorm, linear, linearTensors, normTensors, splitHeads } from './layers.js';
import type { Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { outputName, outputWeight } from './outputWeight.js';

const configSchema = z.object({
  vocab_size: rowCount.default(50_272),
  hidden_size: width.default(768),
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: width.default(12),
  ffn_dim: width.default(3072),
  max_position_embeddings: rowCount.default(2048),
  do_layer_norm_before: z.boolean().default(true),
  _remove_final_layer_norm: z.boolean().default(false),
  word_embed_proj_dim: width.nullish(),
  dropout: dropoutRate.default(0.1),
  attention_dropout: dropoutRate.default(0),
  activation_function: z.enum(activationNames).default('relu'),
  init_std: z.number().nonnegative().default(0.02),
  pad_token_id: tokenId.default(1),
  enable_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
  is_causal: z.boolean().default(true),
});
const keys = configKeys(configSchema, {
  refused: {
    ...refusedWindows({ key: 'max_position_embeddings', usual: 2048 }),
    layerdrop: only([0, null], 'leaving out whole layers while training is not built'),
    layer_norm_elementwise_affine: only([true], 'norms without weights are not built'),
  },
  ignored: { initializer_range: 'this family has it as init_std' },
});
type Config = z.infer<typeof configSchema>;

const prefix = 'model.decoder';
const layerPath = (layer: number) => `${prefix}.layers.${layer}`;
/** Row of the first position in their table. */
const firstPosition = 2;
/** PyTorch's own. */
const epsilon = 1e-5;

/** OPT (arXiv 2205.01068); modeling_opt.py. */
export const opt: Family = { name: 'OPT', modelTypes: ['opt'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const { hidden_size: hidden, num_hidden_layers: layers, num_attention_heads: heads } = config;
  const headSize = headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', heads]);
  const wordSize = wordSizeOf(config);
  const output = outputWeight(checkpoint, {
    isTied: config.tie_word_embeddings,
    embeddings: `${prefix}.embed_tokens.weight`,
    prefix: 'model.',
  });
  const adaptable = layerModules(`${prefix}.layers`, layers, [
    ['self_attn.q_proj', hidden, hidden, 'query'],
    ['self_attn.k_proj', hidden, hidden, 'key'],
    ['self_attn.v_proj', hidden, hidden, 'value'],
    ['self_attn.out_proj', hidden, hidden, 'attention'],
    ['fc1', hidden, config.ffn_dim],
    ['fc2', config.ffn_dim, hidden, 'feedForward'],
  ]);
  const parts = partsOf(config);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => decoderStates(parts, inputs, hooks);
  return {
    layers,
    adaptable,
    tensors: [
      embeddingTensor(`${prefix}.embed_tokens`, config.vocab_size, wordSize),
      embeddingTensor(`${prefix}.embed_positions`, config.max_position_embeddings + firstPosition, hidden),
      ...(wordSize === hidden
        ? []
        : [
            { name: `${prefix}.project_in.weight`, shape: [hidden, wordSize] },
            { name: `${prefix}.project_out.weight`, shape: [wordSize, hidden] },
          ]),
      ...adaptable.flatMap(({ path, outFeatures, inFeatures }) =>
        linearTensors(path, outFeatures, inFeatures).slice(0, config.enable_bias ? 2 : 1),
      ),
      ...Array.from({ length: layers }, (_, layer) =>
        ['self_attn_layer_norm', 'final_layer_norm'].flatMap((norm) =>
          normTensors(`${layerPath(layer)}.${norm}`, hidden),
        ),
      ).flat(),
      ...(endsInNorm(config) ? normTensors(`${prefix}.final_layer_norm`, hidden) : []),
    ],
    spellings: output.spellings,
    isBuffer: (name) => config.tie_word_embeddings && name === outputName,
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    states,
    heads: {
      CAUSAL_LM: () =>
        causalHead({
          architecture: 'OPTForCausalLM',
          output,
          shape: [config.vocab_size, wordSize],
          states,
          logits: vocabularyLogits,
        }),
      SEQ_CLS: (numLabels) =>
        lastTokenHead(numLabels, {
          architecture: 'OPTForSequenceClassification',
          hiddenSize: wordSize,
          initializerRange: config.init_std,
          states,
        }),
    },
    ...(config.is_causal ? { cached: cachedDecoder(parts, { heads, headSize }) } : {}),
  };
}

const wordSizeOf = (config: Config) => config.word_embed_proj_dim ?? config.hidden_size;
const endsInNorm = (config: Config) => config.do_layer_norm_before && !config._remove_final_layer_norm;

function partsOf(config: Config): DecoderParts {
  const isProjected = wordSizeOf(config) !== config.hidden_size;
  const project = (name: string, x: Tensor, hooks: BuildHooks) =>
    isProjected ? linear(`${prefix}.${name}`, x, hooks, { bias: false }) : x;
  return {
    layers: config.num_hidden_layers,
    isCausal: config.is_causal,
    embed(inputIds, places, hooks) {
      const words = ops.gather(hooks.weight(`${prefix}.embed_tokens.weight`), inputIds);
      const rows = multiplyDims(inputIds.shape);
      const projected = project('project_in', ops.reshape(words, [rows, wordSizeOf(config)]), hooks);
      const positions = places.rows(hooks.weight(`${prefix}.embed_positions.weight`), firstPosition);
      const inPlace = ops.reshape(projected, [...inputIds.shape, config.hidden_size]);
      return ops.reshape(ops.add(inPlace, positions), [rows, config.hidden_size]);
    },
    layer: (index, inputs, hooks) => decoderLayer(config, index, inputs, hooks),
    finish(state, hooks) {
      const normal = endsInNorm(config) ? layerNorm(`${prefix}.final_layer_norm`, state, epsilon, hooks) : state;
      return project('project_out', normal, hooks);
    },
    logits: vocabularyLogits,
  };
}

function decoderLayer(config: Config, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
  const path = layerPath(layer);
  const { do_layer_norm_before: before, enable_bias: bias } = config;
  const { state } = inputs;
  const norm = (name: string, x: Tensor) => layerNorm(`${path}.${name}`, x, epsilon, hooks);
  const entering = (name: string, x: Tensor) => (before ? norm(name, x) : x);
  const end = (module: string, name: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, hooks.dropout(y, config.dropout), (out) => {
      const sum = ops.add(residual, out);
      return before ? sum : norm(name, sum);
    });
  const entered = { ...inputs, state: entering('self_attn_layer_norm', state) };
  const { output, cache } = attention(config, path, entered, hooks);
  const middle = end('self_attn.out_proj', 'self_attn_layer_norm', output, state);
  const wide = linear(`${path}.fc1`, entering('final_layer_norm', middle), hooks, { bias });
  const fed = linear(`${path}.fc2`, activations[config.activation_function](wide), hooks, { bias });
  return { state: end('fc2', 'final_layer_norm', fed, middle), cache };
}

function attention(config: Config, path: string, inputs: LayerInputs, hooks: BuildHooks) {
  const { num_attention_heads: heads, hidden_size: hidden, enable_bias: bias } = config;
  const { batch, seq } = inputs.places;
  const project = (name: string) =>
    splitHeads(linear(`${path}.self_attn.${name}`, inputs.state, hooks, { bias }), {
      batch,
      length: seq,
      heads,
      headSize: hidden / heads,
    });
  const asked = {
    query: project('q_proj'),
    key: project('k_proj'),
    value: project('v_proj'),
    dropout: config.attention_dropout,
  };
  const { mixed, cache } = decoderAttention(asked, inputs, hooks);
  return { output: linear(`${path}.self_attn.out_proj`, mixed, hooks, { bias }), cache };
}
