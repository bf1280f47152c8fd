import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { ops, type Tensor } from '../graph/index.js';
import {
  bertConfigShape,
  bertEmbeddings,
  bertMaskedOptions,
  bertOwnKeys,
  bertSpellings,
  fromZero,
  isPositionIds,
  type WantedTokens,
} from './bertEncoder.js';
import {
  activationNames,
  activations,
  configError,
  dropoutRate,
  fillerId,
  headSizeOf,
  readConfig,
  rowCount,
  width,
} from './config.js';
import { configKeys } from './keys/configKeys.js';
import {
  type EncoderLayerInputs,
  embeddingTensor,
  firstTokens,
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
import type { AdaptableModule, Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { pooledHead } from './pooledHead.js';
import { tokenHead } from './tokenHeads.js';

const { classifier_dropout: _, is_decoder: __, is_causal: ___, ...shape } = bertConfigShape;
const configSchema = z.object({
  ...shape,
  vocab_size: rowCount.default(30_000),
  embedding_size: width.default(128),
  hidden_size: width.default(4096),
  num_hidden_groups: width.default(1),
  num_attention_heads: width.default(64),
  intermediate_size: width.default(16_384),
  inner_group_num: width.default(1),
  hidden_act: z.enum(activationNames).default('gelu_new'),
  hidden_dropout_prob: dropoutRate.default(0),
  attention_probs_dropout_prob: dropoutRate.default(0),
  classifier_dropout_prob: dropoutRate.default(0.1),
});
const keys = configKeys(configSchema, {
  refused: { position_embedding_type: bertOwnKeys.refused.position_embedding_type },
});
type Config = z.infer<typeof configSchema>;

const prefix = 'albert';
const projection = `${prefix}.encoder.embedding_hidden_mapping_in`;

/**
 * ALBERT (arXiv 1909.11942), with the heads of transformers' modeling_albert.py: BERT whose layers share their weights in groups, and
 * whose embeddings are narrower. A layer of a group is there once, and so is an adapter on it: it acts wherever the layer does.
 */
export const albert: Family = { name: 'ALBERT', modelTypes: ['albert'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const { hidden_size: hidden, embedding_size: embedding, initializer_range: initializerRange } = config;
  const { num_hidden_groups: groups, num_hidden_layers: layers } = config;
  headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', config.num_attention_heads]);
  if (groups > layers) {
    throw configError(
      checkpoint,
      `num_hidden_groups ${groups} is more than num_hidden_layers ${layers}, so that some are never used.`,
    );
  }
  const adaptable = modulesOf(config);
  const states = (wanted: WantedTokens) => (inputs: BatchInputs, hooks: BuildHooks) =>
    encode(inputs, config, hooks, wanted);
  const perToken = { hiddenSize: hidden, initializerRange, encode: states('all') };
  const dropout = config.classifier_dropout_prob;
  return {
    layers: groups * config.inner_group_num,
    adaptable,
    tensors: backboneTensors(config, adaptable),
    spellings: bertSpellings(prefix),
    isBuffer: isPositionIds,
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    tokenTypes: config.type_vocab_size,
    states: states('all'),
    encoder: 'AlbertModel',
    heads: {
      SEQ_CLS: (numLabels) =>
        pooledHead(numLabels, {
          ...perToken,
          architecture: 'AlbertForSequenceClassification',
          pooler: `${prefix}.pooler`,
          dense: `${prefix}.pooler`,
          dropout,
          encode: states('first'),
        }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, { ...perToken, architecture: 'AlbertForTokenClassification', dropout }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, { ...perToken, architecture: 'AlbertForQuestionAnswering', dropout: 0 }),
      MASKED_LM: () =>
        maskedHead(checkpoint, {
          ...bertMaskedOptions(prefix, config, bertSpellings(prefix)),
          architecture: 'AlbertForMaskedLM',
          dense: 'predictions.dense',
          norm: 'predictions.LayerNorm',
          output: 'predictions.decoder',
          tiedBias: 'predictions.bias',
          width: embedding,
          activation: activations[config.hidden_act],
          encode: states('all'),
        }),
    },
  };
}

/** Path of a layer of a group. */
const layerPath = (group: number, inner: number) =>
  `${prefix}.encoder.albert_layer_groups.${group}.albert_layers.${inner}`;

function modulesOf(config: Config): AdaptableModule[] {
  const { hidden_size: hidden, intermediate_size: intermediate, inner_group_num: inner } = config;
  return Array.from({ length: config.num_hidden_groups }, (_, group) =>
    layerModules(`${prefix}.encoder.albert_layer_groups.${group}.albert_layers`, inner, [
      ['attention.query', hidden, hidden, 'query'],
      ['attention.key', hidden, hidden, 'key'],
      ['attention.value', hidden, hidden, 'value'],
      ['attention.dense', hidden, hidden, 'attention'],
      ['ffn', hidden, intermediate],
      ['ffn_output', intermediate, hidden, 'feedForward'],
    ]).map((module) => ({ ...module, layer: group * inner + module.layer })),
  ).flat();
}

function backboneTensors(config: Config, adaptable: readonly AdaptableModule[]) {
  const { hidden_size: hidden, embedding_size: embedding } = config;
  const table = (name: string, rows: number) =>
    embeddingTensor(`${prefix}.embeddings.${name}_embeddings`, rows, embedding);
  return [
    table('word', config.vocab_size),
    table('position', config.max_position_embeddings),
    table('token_type', config.type_vocab_size),
    ...normTensors(`${prefix}.embeddings.LayerNorm`, embedding),
    ...linearTensors(projection, hidden, embedding),
    ...adaptable.flatMap(({ path, outFeatures, inFeatures }) => linearTensors(path, outFeatures, inFeatures)),
    ...Array.from({ length: config.num_hidden_groups }, (_, group) =>
      Array.from({ length: config.inner_group_num }, (_, inner) => [
        ...normTensors(`${layerPath(group, inner)}.attention.LayerNorm`, hidden),
        ...normTensors(`${layerPath(group, inner)}.full_layer_layer_norm`, hidden),
      ]).flat(),
    ).flat(),
  ];
}

/** Hidden states after the last layer: of all tokens [batch*seq, hidden], or of the first of each sequence [batch, hidden]. */
function encode(inputs: BatchInputs, config: Config, hooks: BuildHooks, wanted: WantedTokens): Tensor {
  const { batch, seq } = sizesOf(inputs);
  let state = linear(projection, bertEmbeddings(prefix, inputs, config, hooks, fromZero), hooks);
  const maskBias = paddingBias(inputs);
  const paths = layerPaths(config);
  for (const [layer, path] of paths.entries()) {
    state = hooks.startLayer(state);
    // Where only the first token of the last layer is read, the others stop at its keys and values.
    const stops = wanted === 'first' && layer === paths.length - 1;
    const queries = stops ? firstTokens(state, { batch, seq }) : state;
    state = encoderLayer(path, { state, queries, batch, seq, maskBias }, config, hooks);
  }
  return state;
}

/** The layers in the order of computation, each as often as it comes. */
function layerPaths({
  num_hidden_layers: layers,
  num_hidden_groups: groups,
  inner_group_num: inner,
}: Config): string[] {
  return Array.from({ length: layers }, (_, layer) => {
    const group = Math.floor(layer / (layers / groups));
    return Array.from({ length: inner }, (_, i) => layerPath(group, i));
  }).flat();
}

function encoderLayer(path: string, inputs: EncoderLayerInputs, config: Config, hooks: BuildHooks): Tensor {
  const { state, queries } = inputs;
  const { num_attention_heads: heads, attention_probs_dropout_prob: dropout, layer_norm_eps: epsilon } = config;
  const projections = {
    query: linear(`${path}.attention.query`, queries, hooks),
    key: linear(`${path}.attention.key`, state, hooks),
    value: linear(`${path}.attention.value`, state, hooks),
  };
  const context = selfAttention(projections, inputs, { heads, headSize: config.hidden_size / heads, dropout }, hooks);
  const outLinear = `${path}.attention.dense`;
  const attended = hooks.dropout(linear(outLinear, context, hooks), config.hidden_dropout_prob);
  const middle = hooks.endSubLayer(outLinear, attended, (y) =>
    layerNorm(`${path}.attention.LayerNorm`, ops.add(y, queries), epsilon, hooks),
  );
  const activated = activations[config.hidden_act](linear(`${path}.ffn`, middle, hooks));
  return hooks.endSubLayer(`${path}.ffn_output`, linear(`${path}.ffn_output`, activated, hooks), (y) =>
    layerNorm(`${path}.full_layer_layer_norm`, ops.add(y, middle), epsilon, hooks),
  );
}
