import * as z from 'zod';
import { constant, type Dim, multiplyDims, ops, type Tensor } from '../graph/index.js';
import { causalBias } from './causal.js';
import { activationNames, activations, dropoutRate, layerCount, rowCount, tokenId, width } from './config.js';
import { type configKeys, only } from './keys/configKeys.js';
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
import type { AdaptableModule, BatchInputs, BuildHooks } from './model.js';
import type { ExpectedTensor, Spellings } from './weights.js';

/** The settings that BERT and its relatives share in config.json, with transformers' defaults of BERT. */
export const bertConfigShape = {
  vocab_size: rowCount.default(30_522),
  hidden_size: width.default(768),
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: width.default(12),
  intermediate_size: width.default(3072),
  max_position_embeddings: rowCount.default(512),
  type_vocab_size: z.int().nonnegative().max(1_000_000).default(2),
  hidden_act: z.enum(activationNames).default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  hidden_dropout_prob: dropoutRate.default(0.1),
  attention_probs_dropout_prob: dropoutRate.default(0.1),
  classifier_dropout: dropoutRate.nullish(),
  initializer_range: z.number().nonnegative().default(0.02),
  pad_token_id: tokenId.default(0),
  is_decoder: z.boolean().default(false),
  is_causal: z.boolean().optional(),
  tie_word_embeddings: z.boolean().default(true),
};
const bertConfigSchema = z.object(bertConfigShape);
export type BertConfig = z.infer<typeof bertConfigSchema>;

/** What of BERT's and its relatives' config.json is not honoured. */
export const bertOwnKeys = {
  refused: {
    add_cross_attention: only([false, null], 'attention to another sequence is not built'),
    position_embedding_type: only(
      ['absolute', null],
      'positions relative to each other are not built, and transformers 5 takes them for absolute ones',
    ),
    is_causal: {
      allows: (value, { is_decoder: isDecoder }) => value === false || (value === true && isDecoder === true),
      why: 'transformers then hides later tokens from a text alone, but not from one in a padded batch. Say is_decoder, or leave it out',
    },
  },
} satisfies Parameters<typeof configKeys>[1];

/** What the heads for masked tokens of BERT's relatives have in common. @param config of the checkpoint */
export function bertMaskedOptions(
  prefix: string,
  config: Omit<BertConfig, 'type_vocab_size' | 'is_decoder' | 'is_causal' | 'classifier_dropout'>,
  spellings: Spellings,
) {
  return {
    embeddings: `${prefix}.embeddings.word_embeddings.weight`,
    isTied: config.tie_word_embeddings,
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    epsilon: config.layer_norm_eps,
    initializerRange: config.initializer_range,
    spellings,
  };
}

/** The names of BertOnlyMLMHead. */
export const bertPredictions = {
  dense: 'cls.predictions.transform.dense',
  norm: 'cls.predictions.transform.LayerNorm',
  output: 'cls.predictions.decoder',
  tiedBias: 'cls.predictions.bias',
};

/** The names of RobertaLMHead and MPNetLMHead. */
export const robertaPredictions = {
  dense: 'lm_head.dense',
  norm: 'lm_head.layer_norm',
  output: 'lm_head.decoder',
  tiedBias: 'lm_head.bias',
};

/** Which tokens of the last layer a head reads. */
export type WantedTokens = 'first' | 'all';

/** The linear modules of an encoder whose layers are named as BERT's. */
export function bertModules(prefix: string, config: BertConfig): AdaptableModule[] {
  const { hidden_size: hidden, intermediate_size: intermediate } = config;
  return layerModules(`${prefix}.encoder.layer`, config.num_hidden_layers, [
    ['attention.self.query', hidden, hidden, 'query'],
    ['attention.self.key', hidden, hidden, 'key'],
    ['attention.self.value', hidden, hidden, 'value'],
    ['attention.output.dense', hidden, hidden, 'attention'],
    ['intermediate.dense', hidden, intermediate],
    ['output.dense', intermediate, hidden, 'feedForward'],
  ]);
}

/** Tensors of embeddings and layers. @param width of the embeddings */
export function bertTensors(prefix: string, config: BertConfig, width = config.hidden_size): ExpectedTensor[] {
  const hidden = config.hidden_size;
  const layers = Array.from({ length: config.num_hidden_layers }, (_, layer) => `${prefix}.encoder.layer.${layer}`);
  return [
    embeddingTensor(`${prefix}.embeddings.word_embeddings`, config.vocab_size, width),
    embeddingTensor(`${prefix}.embeddings.position_embeddings`, config.max_position_embeddings, width),
    embeddingTensor(`${prefix}.embeddings.token_type_embeddings`, config.type_vocab_size, width),
    ...normTensors(`${prefix}.embeddings.LayerNorm`, width),
    ...bertModules(prefix, config).flatMap(({ path, outFeatures, inFeatures }) =>
      linearTensors(path, outFeatures, inFeatures),
    ),
    ...layers.flatMap((path) => [
      ...normTensors(`${path}.attention.output.LayerNorm`, hidden),
      ...normTensors(`${path}.output.LayerNorm`, hidden),
    ]),
  ];
}

/** Files of a bare backbone have no prefix; old ones call the norm's tensors gamma and beta. */
export function bertSpellings(prefix: string): Spellings {
  return (name) => {
    const old = name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta');
    const bare = (spelling: string) =>
      spelling.startsWith(`${prefix}.`) ? spelling.slice(prefix.length + 1) : spelling;
    return [...new Set([name, bare(name), old, bare(old)])];
  };
}

/** Position ids that old checkpoints carry as a buffer. */
export const isPositionIds = (name: string) => name.endsWith('position_ids');

/**
 * Hidden states after the last layer: of all tokens [batch*seq, hidden], or of the first of each sequence [batch,
 * hidden].
 * @param options.project embeddings [batch*seq, width] to the width of the layers, where theirs is another
 */
export function encode(
  prefix: string,
  inputs: BatchInputs,
  config: BertConfig,
  hooks: BuildHooks,
  options: {
    readonly wanted: WantedTokens;
    readonly positions: Positions;
    readonly project?: ((embedded: Tensor) => Tensor) | undefined;
  },
): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const embedded = bertEmbeddings(prefix, inputs, config, hooks, options.positions);
  let state = options.project?.(embedded) ?? embedded;
  const maskBias = isCausal(config) ? hidingLater(paddingBias(inputs), seq) : paddingBias(inputs);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    state = hooks.startLayer(state);
    // Where only the first token of the last layer is read, the others stop at its keys and values.
    const stops = options.wanted === 'first' && !isCausal(config) && layer === config.num_hidden_layers - 1;
    const queries = stops ? firstTokens(state, { batch, seq }) : state;
    state = encoderLayer(`${prefix}.encoder.layer.${layer}`, { state, queries, batch, seq, maskBias }, config, hooks);
  }
  return options.wanted === 'first' && isCausal(config) ? firstTokens(state, { batch, seq }) : state;
}

/** Picks rows of the position embeddings: [seq, width] or [batch, seq, width]. */
type Positions = (table: Tensor, inputs: BatchInputs) => Tensor;

/** Positions count from 0, padding or not. */
export function fromZero(table: Tensor, inputs: BatchInputs): Tensor {
  return ops.slice(table, { axis: 0, start: 0, length: sizesOf(inputs).seq });
}

/** What the layers begin with, as narrow as the tables: words, types and positions, normalised [batch*seq, width]. */
export function bertEmbeddings(
  prefix: string,
  inputs: BatchInputs,
  config: Pick<BertConfig, 'layer_norm_eps' | 'hidden_dropout_prob'>,
  hooks: BuildHooks,
  positions: Positions,
): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const table = (name: string) => hooks.weight(`${prefix}.embeddings.${name}_embeddings.weight`);
  const words = ops.gather(table('word'), inputs.inputIds);
  const places = positions(table('position'), inputs);
  const types = ops.gather(table('token_type'), inputs.tokenTypeIds);
  const embedded = ops.add(ops.add(words, types), places);
  const tokens = ops.reshape(embedded, [multiplyDims([batch, seq]), embedded.shape.at(-1)!]);
  const normal = layerNorm(`${prefix}.embeddings.LayerNorm`, tokens, config.layer_norm_eps, hooks);
  return hooks.dropout(normal, config.hidden_dropout_prob);
}

/** As a decoder, and unless it says otherwise, BERT sees no later token. */
const isCausal = ({ is_decoder: isDecoder, is_causal: causal }: BertConfig) => isDecoder && causal !== false;

/** [batch, 1, seq, seq] */
function hidingLater(padding: Tensor, seq: Dim): Tensor {
  const positions = ops.range(seq);
  const later = causalBias(positions, positions);
  // Two hidden by both would be beyond what a float holds.
  return ops.where(ops.greater(constant(0), later), later, padding);
}

function encoderLayer(path: string, inputs: EncoderLayerInputs, config: BertConfig, hooks: BuildHooks): Tensor {
  const { state, queries } = inputs;
  const heads = config.num_attention_heads;
  const projections = {
    query: linear(`${path}.attention.self.query`, queries, hooks),
    key: linear(`${path}.attention.self.key`, state, hooks),
    value: linear(`${path}.attention.self.value`, state, hooks),
  };
  const dropout = config.attention_probs_dropout_prob;
  const context = selfAttention(projections, inputs, { heads, headSize: config.hidden_size / heads, dropout }, hooks);

  const rate = config.hidden_dropout_prob;
  const epsilon = config.layer_norm_eps;
  const output = (of: string, x: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${of}.dense`, hooks.dropout(linear(`${of}.dense`, x, hooks), rate), (y) =>
      layerNorm(`${of}.LayerNorm`, ops.add(y, residual), epsilon, hooks),
    );
  const middle = output(`${path}.attention.output`, context, queries);
  const activated = activations[config.hidden_act](linear(`${path}.intermediate.dense`, middle, hooks));
  return output(`${path}.output`, activated, middle);
}
