import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { multiplyDims, ops, type Tensor } from '../graph/index.js';
import { bertConfigShape, bertMaskedOptions, bertSpellings, isPositionIds, robertaPredictions } from './bertEncoder.js';
import { activations, configError, fillerId, headSizeOf, readConfig, rowCount, tokenId, width } from './config.js';
import { denseHead } from './denseHead.js';
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
import { positionIds } from './paddedPositions.js';
import { type DistanceBuckets, distanceBias } from './relativePositions.js';
import { tokenHead } from './tokenHeads.js';

const { type_vocab_size: _, is_decoder: __, is_causal: ___, classifier_dropout: ____, ...shape } = bertConfigShape;
const configSchema = z.object({
  ...shape,
  vocab_size: rowCount.default(30_527),
  pad_token_id: tokenId.default(1),
  relative_attention_num_buckets: width.default(32),
});
const keys = configKeys(configSchema);
type Config = z.infer<typeof configSchema>;

const prefix = 'mpnet';
/** As modeling_mpnet.py has them, whatever config.json says. */
const paddingId = 1;
const distances: DistanceBuckets = { buckets: 32, furthest: 128, bothWays: true };

/** MPNet (arXiv 2004.09297): BERT without token types, with a bias on scores by distance (arXiv 1910.10683, section 2.1). */
export const mpnet: Family = { name: 'MPNet', modelTypes: ['mpnet'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const { hidden_size: hidden, initializer_range: initializerRange, hidden_dropout_prob: dropout } = config;
  headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', config.num_attention_heads]);
  if (config.relative_attention_num_buckets < distances.buckets) {
    throw configError(
      checkpoint,
      `relative_attention_num_buckets ${config.relative_attention_num_buckets} is below the ${distances.buckets} that distances are put into.`,
    );
  }
  const adaptable = layerModules(`${prefix}.encoder.layer`, config.num_hidden_layers, [
    ['attention.attn.q', hidden, hidden, 'query'],
    ['attention.attn.k', hidden, hidden, 'key'],
    ['attention.attn.v', hidden, hidden, 'value'],
    ['attention.attn.o', hidden, hidden, 'attention'],
    ['intermediate.dense', hidden, config.intermediate_size],
    ['output.dense', config.intermediate_size, hidden, 'feedForward'],
  ]);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => encode(inputs, config, hooks);
  const perToken = { hiddenSize: hidden, initializerRange, encode: states };
  return {
    layers: config.num_hidden_layers,
    adaptable,
    tensors: backboneTensors(config, adaptable),
    spellings: bertSpellings(prefix),
    isBuffer: isPositionIds,
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings - paddingId - 1,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    states,
    encoder: 'MPNetModel',
    heads: {
      SEQ_CLS: (numLabels) =>
        denseHead(numLabels, {
          ...perToken,
          architecture: 'MPNetForSequenceClassification',
          encode: (inputs, hooks) => firstTokens(states(inputs, hooks), sizesOf(inputs)),
          dropout,
          activation: ops.tanh,
        }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, { ...perToken, architecture: 'MPNetForTokenClassification', dropout }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, { ...perToken, architecture: 'MPNetForQuestionAnswering', dropout: 0 }),
      MASKED_LM: () =>
        maskedHead(checkpoint, {
          ...bertMaskedOptions(prefix, config, bertSpellings(prefix)),
          ...robertaPredictions,
          architecture: 'MPNetForMaskedLM',
          activation: ops.gelu,
          encode: states,
        }),
    },
  };
}

function backboneTensors(config: Config, adaptable: readonly AdaptableModule[]) {
  const hidden = config.hidden_size;
  const layers = Array.from({ length: config.num_hidden_layers }, (_, layer) => `${prefix}.encoder.layer.${layer}`);
  const { relative_attention_num_buckets: rows, num_attention_heads: heads } = config;
  return [
    embeddingTensor(`${prefix}.embeddings.word_embeddings`, config.vocab_size, hidden),
    embeddingTensor(`${prefix}.embeddings.position_embeddings`, config.max_position_embeddings, hidden),
    ...normTensors(`${prefix}.embeddings.LayerNorm`, hidden),
    embeddingTensor(`${prefix}.encoder.relative_attention_bias`, rows, heads),
    ...adaptable.flatMap(({ path, outFeatures, inFeatures }) => linearTensors(path, outFeatures, inFeatures)),
    ...layers.flatMap((path) => [
      ...normTensors(`${path}.attention.LayerNorm`, hidden),
      ...normTensors(`${path}.output.LayerNorm`, hidden),
    ]),
  ];
}

/** Hidden states after the last layer [batch*seq, hidden]. */
function encode(inputs: BatchInputs, config: Config, hooks: BuildHooks): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const embeddings = (name: string) => hooks.weight(`${prefix}.embeddings.${name}_embeddings.weight`);
  const words = ops.gather(embeddings('word'), inputs.inputIds);
  const embedded = ops.add(words, ops.gather(embeddings('position'), positionIds(inputs, paddingId)));
  const tokens = ops.reshape(embedded, [multiplyDims([batch, seq]), config.hidden_size]);
  const normal = layerNorm(`${prefix}.embeddings.LayerNorm`, tokens, config.layer_norm_eps, hooks);
  let state = hooks.dropout(normal, config.hidden_dropout_prob);
  const table = hooks.weight(`${prefix}.encoder.relative_attention_bias.weight`);
  const maskBias = ops.add(paddingBias(inputs), distanceBias(table, seq, distances));
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    state = hooks.startLayer(state);
    const at = { state, queries: state, batch, seq, maskBias };
    state = encoderLayer(`${prefix}.encoder.layer.${layer}`, at, config, hooks);
  }
  return state;
}

function encoderLayer(path: string, inputs: EncoderLayerInputs, config: Config, hooks: BuildHooks): Tensor {
  const { state } = inputs;
  const { num_attention_heads: heads, hidden_dropout_prob: rate, attention_probs_dropout_prob: dropout } = config;
  const project = (name: string) => linear(`${path}.attention.attn.${name}`, state, hooks);
  const projections = { query: project('q'), key: project('k'), value: project('v') };
  const context = selfAttention(projections, inputs, { heads, headSize: config.hidden_size / heads, dropout }, hooks);
  const end = (module: string, norm: string, x: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, hooks.dropout(linear(`${path}.${module}`, x, hooks), rate), (y) =>
      layerNorm(`${path}.${norm}`, ops.add(y, residual), config.layer_norm_eps, hooks),
    );
  const middle = end('attention.attn.o', 'attention.LayerNorm', context, state);
  const activated = activations[config.hidden_act](linear(`${path}.intermediate.dense`, middle, hooks));
  return end('output.dense', 'output.LayerNorm', activated, middle);
}
