import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { multiplyDims, ops, type Tensor } from '../graph/index.js';
import { bertSpellings, isPositionIds, type WantedTokens } from './bertEncoder.js';
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
import { configKeys, only } from './keys/configKeys.js';
import {
  type EncoderLayerInputs,
  embeddingTensor,
  firstTokens,
  headLinear,
  layerModules,
  layerNorm,
  linear,
  linearTensors,
  normTensors,
  paddingBias,
  selfAttention,
  sizesOf,
} from './layers.js';
import { maskedHead } from './maskedHead.js';
import type { AdaptableModule, Architecture, BatchInputs, BuildHooks, Family, Head } from './model.js';
import { tokenHead } from './tokenHeads.js';

const configSchema = z.object({
  vocab_size: rowCount.default(30_522),
  dim: width.default(768),
  hidden_dim: width.default(3072),
  n_layers: layerCount.default(6),
  n_heads: width.default(12),
  max_position_embeddings: rowCount.default(512),
  activation: z.enum(activationNames).default('gelu'),
  dropout: dropoutRate.default(0.1),
  attention_dropout: dropoutRate.default(0.1),
  seq_classif_dropout: dropoutRate.default(0.2),
  qa_dropout: dropoutRate.default(0.1),
  initializer_range: z.number().nonnegative().default(0.02),
  pad_token_id: tokenId.default(0),
  tie_word_embeddings: z.boolean().default(true),
});
const keys = configKeys(configSchema, {
  aliases: { hidden_size: 'dim', num_attention_heads: 'n_heads', num_hidden_layers: 'n_layers' },
  refused: {
    is_causal: only(
      [false, null],
      'transformers then hides later tokens from a text alone, but not from one in a padded batch. Leave it out',
    ),
  },
  ignored: { sinusoidal_pos_embds: 'says how positions start; the checkpoint holds them' },
});
type Config = z.infer<typeof configSchema>;

const prefix = 'distilbert';
const epsilon = 1e-12;

/** DistilBERT (arXiv 1910.01108), with the heads of transformers' modeling_distilbert.py. It has no token types. */
export const distilbert: Family = { name: 'DistilBERT', modelTypes: ['distilbert'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  headSizeOf(checkpoint, ['dim', config.dim], ['n_heads', config.n_heads]);
  const adaptable = layerModules(`${prefix}.transformer.layer`, config.n_layers, [
    ['attention.q_lin', config.dim, config.dim, 'query'],
    ['attention.k_lin', config.dim, config.dim, 'key'],
    ['attention.v_lin', config.dim, config.dim, 'value'],
    ['attention.out_lin', config.dim, config.dim, 'attention'],
    ['ffn.lin1', config.dim, config.hidden_dim],
    ['ffn.lin2', config.hidden_dim, config.dim, 'feedForward'],
  ]);
  const states = (wanted: WantedTokens) => (inputs: BatchInputs, hooks: BuildHooks) =>
    encode(inputs, config, hooks, wanted);
  const perToken = { hiddenSize: config.dim, initializerRange: config.initializer_range, encode: states('all') };
  return {
    layers: config.n_layers,
    adaptable,
    tensors: backboneTensors(config, adaptable),
    spellings: bertSpellings(prefix),
    isBuffer: isPositionIds,
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    states: states('all'),
    encoder: 'DistilBertModel',
    heads: {
      SEQ_CLS: (numLabels) => sequenceHead(config, numLabels, states('first')),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, {
          ...perToken,
          architecture: 'DistilBertForTokenClassification',
          dropout: config.dropout,
        }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, {
          ...perToken,
          architecture: 'DistilBertForQuestionAnswering',
          dropout: config.qa_dropout,
        }),
      MASKED_LM: () =>
        maskedHead(checkpoint, {
          architecture: 'DistilBertForMaskedLM',
          dense: 'vocab_transform',
          norm: 'vocab_layer_norm',
          output: 'vocab_projector',
          embeddings: `${prefix}.embeddings.word_embeddings.weight`,
          isTied: config.tie_word_embeddings,
          vocabSize: config.vocab_size,
          hiddenSize: config.dim,
          epsilon,
          initializerRange: config.initializer_range,
          activation: activations[config.activation],
          spellings: bertSpellings(prefix),
          encode: states('all'),
        }),
    },
  };
}

function backboneTensors(config: Config, adaptable: readonly AdaptableModule[]) {
  const layers = Array.from({ length: config.n_layers }, (_, layer) => `${prefix}.transformer.layer.${layer}`);
  return [
    embeddingTensor(`${prefix}.embeddings.word_embeddings`, config.vocab_size, config.dim),
    embeddingTensor(`${prefix}.embeddings.position_embeddings`, config.max_position_embeddings, config.dim),
    ...normTensors(`${prefix}.embeddings.LayerNorm`, config.dim),
    ...adaptable.flatMap(({ path, outFeatures, inFeatures }) => linearTensors(path, outFeatures, inFeatures)),
    ...layers.flatMap((path) => [
      ...normTensors(`${path}.sa_layer_norm`, config.dim),
      ...normTensors(`${path}.output_layer_norm`, config.dim),
    ]),
  ];
}

/** DistilBertForSequenceClassification: pre_classifier, relu, dropout, classifier of the first token. */
function sequenceHead(
  { dim, initializer_range: range, seq_classif_dropout }: Config,
  numLabels: number,
  firstToken: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  return {
    architecture: 'DistilBertForSequenceClassification',
    modules: [
      { path: 'classifier', role: 'head', tensors: headLinear('classifier', numLabels, dim, range) },
      { path: 'pre_classifier', role: 'head', tensors: headLinear('pre_classifier', dim, dim, range) },
    ],
    logits(inputs, hooks) {
      const dense = ops.relu(linear('pre_classifier', firstToken(inputs, hooks), hooks));
      return linear('classifier', hooks.dropout(dense, seq_classif_dropout), hooks);
    },
  };
}

/** Hidden states after the last layer: of all tokens [batch*seq, dim], or of the first of each sequence [batch, dim]. */
function encode(inputs: BatchInputs, config: Config, hooks: BuildHooks, wanted: WantedTokens): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const words = ops.gather(hooks.weight(`${prefix}.embeddings.word_embeddings.weight`), inputs.inputIds);
  const table = hooks.weight(`${prefix}.embeddings.position_embeddings.weight`);
  const positions = ops.slice(table, { axis: 0, start: 0, length: seq });
  const tokens = ops.reshape(ops.add(words, positions), [multiplyDims([batch, seq]), config.dim]);
  let state = hooks.dropout(layerNorm(`${prefix}.embeddings.LayerNorm`, tokens, epsilon, hooks), config.dropout);
  const maskBias = paddingBias(inputs);
  for (let layer = 0; layer < config.n_layers; layer++) {
    state = hooks.startLayer(state);
    const stops = wanted === 'first' && layer === config.n_layers - 1;
    const queries = stops ? firstTokens(state, { batch, seq }) : state;
    const at = { state, queries, batch, seq, maskBias };
    state = transformerLayer(`${prefix}.transformer.layer.${layer}`, at, config, hooks);
  }
  return state;
}

function transformerLayer(path: string, inputs: EncoderLayerInputs, config: Config, hooks: BuildHooks): Tensor {
  const { state, queries } = inputs;
  const projections = {
    query: linear(`${path}.attention.q_lin`, queries, hooks),
    key: linear(`${path}.attention.k_lin`, state, hooks),
    value: linear(`${path}.attention.v_lin`, state, hooks),
  };
  const sizes = { heads: config.n_heads, headSize: config.dim / config.n_heads, dropout: config.attention_dropout };
  const close = (norm: string, residual: Tensor) => (y: Tensor) =>
    layerNorm(`${path}.${norm}`, ops.add(y, residual), epsilon, hooks);
  const outLinear = `${path}.attention.out_lin`;
  const attended = linear(outLinear, selfAttention(projections, inputs, sizes, hooks), hooks);
  const middle = hooks.endSubLayer(outLinear, attended, close('sa_layer_norm', queries));
  const activated = activations[config.activation](linear(`${path}.ffn.lin1`, middle, hooks));
  const output = hooks.dropout(linear(`${path}.ffn.lin2`, activated, hooks), config.dropout);
  return hooks.endSubLayer(`${path}.ffn.lin2`, output, close('output_layer_norm', middle));
}
