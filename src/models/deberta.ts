import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { constant, type Dim, multiplyDims, ops, type Tensor } from '../graph/index.js';
import { bertMaskedOptions, bertPredictions, bertSpellings, isPositionIds, type WantedTokens } from './bertEncoder.js';
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
import { type DistanceSettings, relativeRows, rowsFromFirst, spanOf } from './debertaPositions.js';
import { configKeys } from './keys/configKeys.js';
import {
  embeddingTensor,
  firstTokens,
  headLinear,
  layerModules,
  layerNorm,
  linear,
  linearTensors,
  masked,
  mergeHeads,
  normTensors,
  sizesOf,
  splitHeads,
} from './layers.js';
import { maskedHead } from './maskedHead.js';
import type { AdaptableModule, Architecture, BatchInputs, BuildHooks, Family, Head } from './model.js';
import { tokenHead } from './tokenHeads.js';
import type { ExpectedTensor } from './weights.js';

/** `c2p|p2c`, or a list. */
const attentionKinds = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === 'string' ? value.toLowerCase().split('|') : value).map((one) => one.trim()))
  .pipe(z.array(z.enum(['c2p', 'p2c'])));

const configSchema = z.object({
  vocab_size: rowCount.default(128_100),
  hidden_size: width.default(1536),
  embedding_size: width.nullish(),
  num_hidden_layers: layerCount.default(24),
  num_attention_heads: width.default(24),
  intermediate_size: width.default(6144),
  max_position_embeddings: rowCount.default(512),
  type_vocab_size: z.int().nonnegative().max(1_000_000).default(0),
  hidden_act: z.enum(activationNames).default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-7),
  hidden_dropout_prob: dropoutRate.default(0.1),
  attention_probs_dropout_prob: dropoutRate.default(0.1),
  pooler_dropout: dropoutRate.default(0),
  pooler_hidden_act: z.enum(activationNames).default('gelu'),
  cls_dropout: dropoutRate.nullish(),
  initializer_range: z.number().nonnegative().default(0.02),
  pad_token_id: tokenId.default(0),
  relative_attention: z.boolean().default(false),
  max_relative_positions: z.int().default(-1),
  position_buckets: z.int().default(-1),
  position_biased_input: z.boolean().default(true),
  pos_att_type: attentionKinds.nullish(),
  share_att_key: z.boolean().default(false),
  norm_rel_ebd: z.string().default('none'),
  conv_kernel_size: z.int().nonnegative().max(1_000).default(0),
  conv_groups: z.literal(1).default(1),
  conv_act: z.enum(activationNames).default('tanh'),
  legacy: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});
type Config = z.infer<typeof configSchema>;

const asWide = 'another size than that of the layers is not built';
const keys = configKeys(configSchema, {
  refused: {
    attention_head_size: {
      allows: (value, config) => {
        const { hidden_size: hidden = 1536, num_attention_heads: heads = 24 } = config as Partial<Config>;
        return value === null || value === Math.floor(hidden / heads);
      },
      why: asWide,
    },
    pooler_hidden_size: {
      allows: (value, { hidden_size: hidden = 1536 }) => value === null || value === hidden,
      why: asWide,
    },
  },
});

const prefix = 'deberta';

/** DeBERTa-v2 and v3 (arXiv 2006.03654, 2111.09543), with the heads of transformers' modeling_deberta_v2.py. */
export const deberta: Family = { name: 'DeBERTa-v2', modelTypes: ['deberta-v2'], keys, describe };

/** The configuration in the terms of the computation. */
interface Settings {
  readonly config: Config;
  readonly headSize: number;
  /** Which of the two terms with relative positions attention has. */
  readonly contentToPosition: boolean;
  readonly positionToContent: boolean;
  readonly distances: DistanceSettings;
  /** Factor on all scores: 1 / √(head size · number of terms). */
  readonly scaling: number;
}

function describe(checkpoint: Checkpoint): Architecture {
  const settings = settingsOf(checkpoint);
  const { config } = settings;
  const { hidden_size: hidden, num_hidden_layers: layers } = config;
  const adaptable = modulesOf(settings);
  const states = (wanted: WantedTokens, masksQueries: boolean) => (inputs: BatchInputs, hooks: BuildHooks) =>
    encode(settings, inputs, hooks, { wanted, masksQueries });
  const perToken = { hiddenSize: hidden, initializerRange: config.initializer_range };
  return {
    layers,
    adaptable,
    tensors: backboneTensors(settings, adaptable),
    spellings: bertSpellings(prefix),
    isBuffer: (name) => isPositionIds(name) || (!config.position_biased_input && name.includes('position_embeddings')),
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    ...(config.type_vocab_size > 0 ? { tokenTypes: config.type_vocab_size } : {}),
    states: states('all', true),
    encoder: 'DebertaV2Model',
    heads: {
      SEQ_CLS: (numLabels) => sequenceHead(config, numLabels, states('first', false)),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, {
          ...perToken,
          encode: states('all', false),
          architecture: 'DebertaV2ForTokenClassification',
          dropout: config.hidden_dropout_prob,
        }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, {
          ...perToken,
          // The loss takes in the logits of padding, so that these have to be transformers' too.
          encode: states('all', true),
          architecture: 'DebertaV2ForQuestionAnswering',
          dropout: 0,
        }),
      MASKED_LM: () => predictionHead(checkpoint, config, states('all', false)),
    },
  };
}

/** DebertaV2ForMaskedLM: BERT's head, or, where config.json says `legacy: false`, the one of DeBERTa's own code. */
function predictionHead(
  checkpoint: Checkpoint,
  config: Config,
  encode: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  const own = 'lm_predictions.lm_head';
  const { hidden_size: hidden, embedding_size: embedding, hidden_act: activation } = config;
  const common = {
    ...bertMaskedOptions(prefix, config, bertSpellings(prefix)),
    architecture: 'DebertaV2ForMaskedLM',
    activation: activations[activation],
    encode,
  };
  if (config.legacy) return maskedHead(checkpoint, { ...common, ...bertPredictions, width: embedding ?? hidden });
  if (embedding !== undefined && embedding !== null && embedding !== hidden) {
    throw configError(
      checkpoint,
      `embedding_size ${embedding} is not the hidden_size ${hidden}, which the head of masked tokens needs where legacy is false.`,
    );
  }
  return maskedHead(checkpoint, {
    ...common,
    dense: `${own}.dense`,
    norm: `${own}.LayerNorm`,
    output: own,
    isModule: false,
  });
}

function settingsOf(checkpoint: Checkpoint): Settings {
  const config = readConfig(configSchema, keys, checkpoint);
  const { hidden_size: hidden, num_attention_heads: heads } = config;
  const headSize = headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', heads]);
  if (config.conv_kernel_size > 0 && config.conv_kernel_size % 2 === 0) {
    throw configError(checkpoint, `conv_kernel_size ${config.conv_kernel_size} is even, which is not supported.`);
  }
  const kinds = config.pos_att_type ?? [];
  const maxDistance =
    config.max_relative_positions < 1 ? config.max_position_embeddings : config.max_relative_positions;
  return {
    config,
    headSize,
    contentToPosition: config.relative_attention && kinds.includes('c2p'),
    positionToContent: config.relative_attention && kinds.includes('p2c'),
    distances: { buckets: config.position_buckets, maxDistance, maxLength: config.max_position_embeddings },
    scaling: 1 / Math.sqrt(headSize * (1 + new Set(kinds).size)),
  };
}

function modulesOf({ config, contentToPosition, positionToContent }: Settings): AdaptableModule[] {
  const { hidden_size: hidden, intermediate_size: intermediate, share_att_key: shared } = config;
  return layerModules(`${prefix}.encoder.layer`, config.num_hidden_layers, [
    ['attention.self.query_proj', hidden, hidden, 'query'],
    ['attention.self.key_proj', hidden, hidden, 'key'],
    ['attention.self.value_proj', hidden, hidden, 'value'],
    ...(contentToPosition && !shared ? [['attention.self.pos_key_proj', hidden, hidden] as const] : []),
    ...(positionToContent && !shared ? [['attention.self.pos_query_proj', hidden, hidden] as const] : []),
    ['attention.output.dense', hidden, hidden, 'attention'],
    ['intermediate.dense', hidden, intermediate],
    ['output.dense', intermediate, hidden, 'feedForward'],
  ]);
}

function backboneTensors({ config, distances }: Settings, adaptable: readonly AdaptableModule[]): ExpectedTensor[] {
  const { hidden_size: hidden, embedding_size, conv_kernel_size: kernel } = config;
  const embedding = embedding_size ?? hidden;
  const layers = Array.from({ length: config.num_hidden_layers }, (_, layer) => `${prefix}.encoder.layer.${layer}`);
  const when = (condition: boolean, tensors: readonly ExpectedTensor[]) => (condition ? tensors : []);
  const table = (name: string, rows: number) => embeddingTensor(`${prefix}.embeddings.${name}`, rows, embedding);
  return [
    table('word_embeddings', config.vocab_size),
    ...when(config.position_biased_input, [table('position_embeddings', config.max_position_embeddings)]),
    ...when(config.type_vocab_size > 0, [table('token_type_embeddings', config.type_vocab_size)]),
    ...when(embedding !== hidden, [{ name: `${prefix}.embeddings.embed_proj.weight`, shape: [hidden, embedding] }]),
    ...normTensors(`${prefix}.embeddings.LayerNorm`, hidden),
    ...when(config.relative_attention, [
      { name: `${prefix}.encoder.rel_embeddings.weight`, shape: [2 * spanOf(distances), hidden], isBare: true },
    ]),
    ...when(normsPositions(config), normTensors(`${prefix}.encoder.LayerNorm`, hidden)),
    ...when(kernel > 0, [
      { name: `${prefix}.encoder.conv.conv.weight`, shape: [hidden, hidden, kernel] },
      { name: `${prefix}.encoder.conv.conv.bias`, shape: [hidden] },
      ...normTensors(`${prefix}.encoder.conv.LayerNorm`, hidden),
    ]),
    ...adaptable.flatMap(({ path, outFeatures, inFeatures }) => linearTensors(path, outFeatures, inFeatures)),
    ...layers.flatMap((path) => [
      ...normTensors(`${path}.attention.output.LayerNorm`, hidden),
      ...normTensors(`${path}.output.LayerNorm`, hidden),
    ]),
  ];
}

const normsPositions = ({ norm_rel_ebd: norm }: Config) =>
  norm
    .toLowerCase()
    .split('|')
    .some((one) => one.trim() === 'layer_norm');

/** DebertaV2ForSequenceClassification: ContextPooler (dropout, dense, gelu of the first token), dropout, classifier. */
function sequenceHead(
  config: Config,
  numLabels: number,
  firstToken: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  const { hidden_size: hidden, initializer_range: range, pooler_dropout: poolerDropout } = config;
  return {
    architecture: 'DebertaV2ForSequenceClassification',
    modules: [
      { path: 'classifier', role: 'head', tensors: headLinear('classifier', numLabels, hidden, range) },
      { path: 'pooler', role: 'pooler', tensors: headLinear('pooler.dense', hidden, hidden, range) },
    ],
    logits(inputs, hooks) {
      const first = firstToken(inputs, hooks);
      const context = poolerDropout === 0 ? first : hooks.dropout(first, poolerDropout);
      const pooled = activations[config.pooler_hidden_act](linear('pooler.dense', context, hooks));
      return linear('classifier', hooks.dropout(pooled, config.cls_dropout ?? config.hidden_dropout_prob), hooks);
    },
  };
}

interface EncodeOptions {
  readonly wanted: WantedTokens;
  /** Also hide everything from the queries of padding, as transformers does; only its own output depends on it. */
  readonly masksQueries: boolean;
}

/** Hidden states after the last layer: of all tokens [batch*seq, hidden], or of the first of each sequence [batch, hidden]. */
function encode(settings: Settings, inputs: BatchInputs, hooks: BuildHooks, options: EncodeOptions): Tensor {
  const { config } = settings;
  const { batch, seq } = sizesOf(inputs);
  const isToken = ops.cast(inputs.attentionMask, 'float32');
  const column = ops.reshape(isToken, [multiplyDims([batch, seq]), 1]);
  const embedded = embed(settings, inputs, column, hooks);
  const hide = hiding(isToken, options.masksQueries);
  const relative = config.relative_attention ? relativeEmbeddings(config, hooks) : undefined;
  let state = embedded;
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    state = hooks.startLayer(state);
    const path = `${prefix}.encoder.layer.${layer}`;
    const stops = options.wanted === 'first' && layer === config.num_hidden_layers - 1;
    const convolves = layer === 0 && config.conv_kernel_size > 0;
    // The convolution reads neighbours, so that a single layer with one cannot stop at the first token.
    const queries = stops && !convolves ? firstTokens(state, { batch, seq }) : state;
    state = encoderLayer(settings, path, { state, queries, batch, seq, hide, relative }, hooks);
    if (convolves) state = convolution(config, { input: embedded, state, column, batch, seq }, hooks);
    if (stops && convolves) state = firstTokens(state, { batch, seq });
  }
  return state;
}

function embed(settings: Settings, inputs: BatchInputs, column: Tensor, hooks: BuildHooks): Tensor {
  const { config } = settings;
  const { batch, seq } = sizesOf(inputs);
  const path = `${prefix}.embeddings`;
  let embedded = ops.gather(hooks.weight(`${path}.word_embeddings.weight`), inputs.inputIds);
  if (config.position_biased_input) {
    const table = hooks.weight(`${path}.position_embeddings.weight`);
    embedded = ops.add(embedded, ops.slice(table, { axis: 0, start: 0, length: seq }));
  }
  if (config.type_vocab_size > 0) {
    embedded = ops.add(embedded, ops.gather(hooks.weight(`${path}.token_type_embeddings.weight`), inputs.tokenTypeIds));
  }
  const width = config.embedding_size ?? config.hidden_size;
  const rows = ops.reshape(embedded, [multiplyDims([batch, seq]), width]);
  const projected = width === config.hidden_size ? rows : linear(`${path}.embed_proj`, rows, hooks, { bias: false });
  const normal = layerNorm(`${path}.LayerNorm`, projected, config.layer_norm_eps, hooks);
  return hooks.dropout(ops.mul(normal, column), config.hidden_dropout_prob);
}

/**
 * Hides padding in scores [batch, heads, queries, seq]. Where the queries of padding count too, scores are replaced as
 * transformers does, so that no gradient flows through them; otherwise the cheaper addition does the same.
 */
function hiding(isToken: Tensor, masksQueries: boolean): (scores: Tensor) => Tensor {
  const [batch, seq] = isToken.shape as [Dim, Dim];
  const keys = ops.reshape(isToken, [batch, 1, 1, seq]);
  if (masksQueries) {
    const visible = ops.greater(ops.mul(keys, ops.reshape(isToken, [batch, 1, seq, 1])), constant(0));
    return (scores) => ops.where(visible, scores, constant(masked));
  }
  const bias = ops.scale(ops.sub(constant(1), keys), masked);
  return (scores) => ops.add(scores, bias);
}

/** [2·span, hidden] */
function relativeEmbeddings(config: Config, hooks: BuildHooks): Tensor {
  const table = hooks.weight(`${prefix}.encoder.rel_embeddings.weight`);
  return normsPositions(config) ? layerNorm(`${prefix}.encoder.LayerNorm`, table, config.layer_norm_eps, hooks) : table;
}

interface LayerInputs {
  /** [batch*seq, hidden] */
  readonly state: Tensor;
  /** Rows whose output is wanted: all of state, or the first token of each sequence [batch, hidden]. */
  readonly queries: Tensor;
  readonly batch: Dim;
  readonly seq: Dim;
  /** Masks scores [batch, heads, queries, seq]. */
  readonly hide: (scores: Tensor) => Tensor;
  /** [2·span, hidden] */
  readonly relative: Tensor | undefined;
}

function encoderLayer(settings: Settings, path: string, inputs: LayerInputs, hooks: BuildHooks): Tensor {
  const { config } = settings;
  const { hidden_dropout_prob: rate, layer_norm_eps: epsilon } = config;
  const context = attention(settings, `${path}.attention.self`, inputs, hooks);
  const output = (of: string, x: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${of}.dense`, hooks.dropout(linear(`${of}.dense`, x, hooks), rate), (y) =>
      layerNorm(`${of}.LayerNorm`, ops.add(y, residual), epsilon, hooks),
    );
  const middle = output(`${path}.attention.output`, context, inputs.queries);
  const activated = activations[config.hidden_act](linear(`${path}.intermediate.dense`, middle, hooks));
  return output(`${path}.output`, activated, middle);
}

/** Disentangled attention (arXiv 2006.03654, equation 4): content to content, content to position, position to content. */
function attention(settings: Settings, path: string, inputs: LayerInputs, hooks: BuildHooks): Tensor {
  const { config, headSize, scaling } = settings;
  const { state, queries, batch, seq, hide } = inputs;
  const heads = config.num_attention_heads;
  const split = (x: Tensor, length: Dim) => splitHeads(x, { batch, length, heads, headSize });
  const query = split(linear(`${path}.query_proj`, queries, hooks), queries === state ? seq : 1);
  const key = split(linear(`${path}.key_proj`, state, hooks), seq);
  const value = split(linear(`${path}.value_proj`, state, hooks), seq);
  const content = ops.matmul(query, key, { transB: true, alpha: scaling });
  const positions = positionTerms(settings, path, { query, key, inputs }, hooks);
  const scores = positions.reduce((sum, term) => ops.add(sum, term), content);
  const weights = hooks.dropout(ops.softmax(hide(scores)), config.attention_probs_dropout_prob);
  return mergeHeads(ops.matmul(weights, value));
}

/**
 * The scores with relative positions, [batch, heads, queries, seq] each. PyTorch gathers them one by one; but only
 * 2·seq distances occur, and scores by distance are scores by position once their rows are skewed.
 */
function positionTerms(
  settings: Settings,
  path: string,
  at: { readonly query: Tensor; readonly key: Tensor; readonly inputs: LayerInputs },
  hooks: BuildHooks,
): Tensor[] {
  const { config, contentToPosition, positionToContent, scaling, distances } = settings;
  const { query, key, inputs } = at;
  const { seq, relative } = inputs;
  if (relative === undefined || !(contentToPosition || positionToContent)) return [];
  const table = hooks.dropout(relative, config.hidden_dropout_prob);
  const projected = (module: string, rows: Tensor) => positionHeads(settings, `${path}.${module}`, table, rows, hooks);
  const [keyModule, queryModule] = config.share_att_key
    ? ['key_proj', 'query_proj']
    : ['pos_key_proj', 'pos_query_proj'];
  const fromFirst = inputs.queries !== inputs.state;
  const rows = relativeRows(distances, seq);
  const terms: Tensor[] = [];
  if (contentToPosition) {
    const positionKeys = projected(keyModule!, fromFirst ? rowsFromFirst(distances, seq) : rows.falling);
    const byDistance = ops.matmul(query, positionKeys, { transB: true, alpha: scaling });
    terms.push(fromFirst ? byDistance : ops.skew(byDistance));
  }
  if (positionToContent && fromFirst) {
    const positionQueries = projected(queryModule!, rowsFromFirst(distances, seq));
    const product = ops.sum(ops.mul(key, positionQueries), { axes: [3], keepDims: false });
    const [batch, heads] = key.shape as [Dim, Dim];
    terms.push(ops.scale(ops.reshape(product, [batch, heads, 1, seq]), scaling));
  } else if (positionToContent) {
    const positionQueries = projected(queryModule!, rows.rising);
    const byDistance = ops.matmul(key, positionQueries, { transB: true, alpha: scaling });
    terms.push(ops.transpose(ops.skew(byDistance), [0, 1, 3, 2]));
  }
  return terms;
}

/** Rows of the relative embeddings through a projection, its adapter included: [1, heads, rows, head size]. */
function positionHeads(
  { config, headSize }: Settings,
  path: string,
  table: Tensor,
  rows: Tensor,
  hooks: BuildHooks,
): Tensor {
  const heads = config.num_attention_heads;
  const projected = linear(path, ops.gather(table, rows), hooks);
  return splitHeads(projected, { batch: 1, length: rows.shape[0]!, heads, headSize });
}

/** The convolution over embeddings that stands beside the first layer: norm(state + act(conv(input))), padding at 0. */
function convolution(
  config: Config,
  at: { input: Tensor; state: Tensor; column: Tensor; batch: Dim; seq: Dim },
  hooks: BuildHooks,
): Tensor {
  const { hidden_size: hidden, conv_kernel_size: kernel } = config;
  const path = `${prefix}.encoder.conv`;
  const weight = hooks.weight(`${path}.conv.weight`);
  const sequences = ops.reshape(at.input, [at.batch, at.seq, hidden]);
  const taps = Array.from({ length: kernel }, (_, tap) => {
    const moved = ops.reshape(ops.shift(sequences, { axis: 1, by: (kernel - 1) / 2 - tap }), at.input.shape);
    const matrix = ops.reshape(ops.slice(weight, { axis: 2, start: tap, length: 1 }), [hidden, hidden]);
    return ops.matmul(moved, matrix, { transB: true });
  });
  const sum = ops.add(
    taps.reduce((total, tap) => ops.add(total, tap)),
    hooks.weight(`${path}.conv.bias`),
  );
  const activated = activations[config.conv_act](hooks.dropout(ops.mul(sum, at.column), config.hidden_dropout_prob));
  const normal = layerNorm(`${path}.LayerNorm`, ops.add(at.state, activated), config.layer_norm_eps, hooks);
  return ops.mul(normal, at.column);
}
