import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { constant, type Dim, multiplyDims, ops, type Tensor } from '../graph/index.js';
import { bidirectionalBias, causalBias, paddedCausalBias } from './causal.js';
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
import { refusedWindows } from './keys/windows.js';
import {
  embeddingTensor,
  finalRows,
  lastTokens,
  layerModules,
  layerNorm,
  linear,
  masked,
  mergeHeads,
  normTensors,
  sizesOf,
  splitHeads,
} from './layers.js';
import type {
  AdaptableModule,
  Architecture,
  BatchInputs,
  BuildHooks,
  CachedInputs,
  Family,
  LayerCache,
  StepInputs,
} from './model.js';
import { outputName, outputTensors, outputWeight } from './outputWeight.js';
import { stepAttention, stepBias } from './stepAttention.js';
import { tokenHead } from './tokenHeads.js';

const configSchema = z.object({
  vocab_size: rowCount.default(50_257),
  n_embd: width.default(768),
  n_layer: layerCount.default(12),
  n_head: width.default(12),
  n_positions: rowCount.default(1024),
  n_inner: width.nullish(),
  activation_function: z.enum(activationNames).default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  embd_pdrop: dropoutRate.default(0.1),
  attn_pdrop: dropoutRate.default(0.1),
  resid_pdrop: dropoutRate.default(0.1),
  classifier_dropout: dropoutRate.nullish(),
  hidden_dropout: dropoutRate.nullish(),
  initializer_range: z.number().nonnegative().default(0.02),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
  pad_token_id: tokenId.nullish(),
  is_causal: z.boolean().default(true),
});
type Config = z.infer<typeof configSchema>;

const summary = 'of the head with two outputs, which is not built';
const keys = configKeys(configSchema, {
  aliases: {
    hidden_size: 'n_embd',
    max_position_embeddings: 'n_positions',
    num_attention_heads: 'n_head',
    num_hidden_layers: 'n_layer',
  },
  refused: {
    ...refusedWindows({ key: 'n_positions', usual: 1024 }),
    add_cross_attention: only([false, null], 'attention to another sequence is not built'),
  },
  ignored: {
    reorder_and_upcast_attn: 'computes the same in another order',
    summary_activation: summary,
    summary_first_dropout: summary,
    summary_last_dropout: summary,
    summary_proj_to_labels: summary,
    summary_type: summary,
    summary_use_proj: summary,
  },
});

const prefix = 'transformer';
const embeddings = `${prefix}.wte.weight`;

/** GPT-2 (Radford et al. 2019), as transformers' modeling_gpt2.py has it: weights of linear modules lie transposed (Conv1D). */
export const gpt2: Family = { name: 'GPT-2', modelTypes: ['gpt2'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const { n_embd: hidden, n_layer: layers, n_head: heads, initializer_range: deviation } = config;
  const headSize = headSizeOf(checkpoint, ['n_embd', hidden], ['n_head', heads]);
  const output = outputWeight(checkpoint, { isTied: config.tie_word_embeddings, embeddings, prefix: `${prefix}.` });
  const adaptable = modulesOf(config);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => encode(config, inputs, hooks, false);
  const dropout = config.classifier_dropout ?? config.hidden_dropout ?? 0.1;
  const perToken = { hiddenSize: hidden, initializerRange: deviation };
  return {
    layers,
    adaptable,
    tensors: [
      embeddingTensor(`${prefix}.wte`, config.vocab_size, hidden),
      embeddingTensor(`${prefix}.wpe`, config.n_positions, hidden),
      ...adaptable.flatMap(({ path, inFeatures, outFeatures }) => [
        { name: `${path}.weight`, shape: [inFeatures, outFeatures] },
        { name: `${path}.bias`, shape: [outFeatures] },
      ]),
      ...Array.from({ length: layers }, (_, layer) => ['ln_1', 'ln_2'].map((norm) => `${prefix}.h.${layer}.${norm}`))
        .flat()
        .flatMap((path) => normTensors(path, hidden)),
      ...normTensors(`${prefix}.ln_f`, hidden),
    ],
    spellings: output.spellings,
    isBuffer: (name) => /\.attn\.(masked_)?bias$/.test(name) || (config.tie_word_embeddings && name === outputName),
    vocabSize: config.vocab_size,
    maxLength: config.n_positions,
    padTokenId: fillerId(config.pad_token_id ?? null, config.vocab_size),
    states,
    heads: {
      CAUSAL_LM: () => ({
        architecture: 'GPT2LMHeadModel',
        modules: [],
        ...outputTensors(output, [config.vocab_size, hidden]),
        logits(inputs, hooks) {
          const all = states(inputs, hooks);
          return vocabularyLogits(inputs.rows === undefined ? all : ops.gather(all, inputs.rows), hooks);
        },
      }),
      SEQ_CLS: (numLabels) => ({
        architecture: 'GPT2ForSequenceClassification',
        modules: [
          { path: 'score', role: 'head', tensors: [{ name: 'score.weight', shape: [numLabels, hidden], deviation }] },
        ],
        logits: (inputs, hooks) => linear('score', lastTokens(states(inputs, hooks), inputs), hooks, { bias: false }),
      }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, {
          ...perToken,
          architecture: 'GPT2ForTokenClassification',
          dropout,
          encode: states,
        }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, {
          ...perToken,
          architecture: 'GPT2ForQuestionAnswering',
          dropout: 0,
          // The loss takes in the logits of padding, so that these have to be transformers' too.
          encode: (inputs, hooks) => encode(config, inputs, hooks, true),
        }),
    },
    ...(config.is_causal
      ? {
          cached: {
            layers,
            heads,
            headSize,
            next: (inputs: CachedInputs, hooks: BuildHooks) => nextLogits(config, inputs, hooks),
            step: (inputs: StepInputs, hooks: BuildHooks) => stepLogits(config, inputs, hooks),
          },
        }
      : {}),
  };
}

function modulesOf({ n_embd: hidden, n_layer: layers, n_inner }: Config): AdaptableModule[] {
  const inner = n_inner ?? 4 * hidden;
  const modules = layerModules(`${prefix}.h`, layers, [
    ['attn.c_attn', hidden, 3 * hidden, 'queryKeyValue'],
    ['attn.c_proj', hidden, hidden, 'attention'],
    ['mlp.c_fc', hidden, inner],
    ['mlp.c_proj', inner, hidden, 'feedForward'],
  ]);
  return modules.map((module) => ({ ...module, transposed: true }));
}

function vocabularyLogits(states: Tensor, hooks: BuildHooks): Tensor {
  return linear('lm_head', states, hooks, { bias: false });
}

/** States after the last norm [batch*seq, hidden]. */
function encode(config: Config, inputs: BatchInputs, hooks: BuildHooks, masksPadding: boolean): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const table = hooks.weight(`${prefix}.wpe.weight`);
  const places = ops.slice(table, { axis: 0, start: 0, length: seq });
  const positions = ops.range(seq);
  const bias = config.is_causal
    ? hidingLater(inputs, causalBias(positions, positions), masksPadding)
    : bidirectionalBias(inputs, positions);
  let state = embed(config, inputs.inputIds, places, hooks);
  for (let layer = 0; layer < config.n_layer; layer++) {
    state = hooks.startLayer(state);
    state = block(config, layer, { state, batch, seq, total: seq, bias }, hooks).state;
  }
  return layerNorm(`${prefix}.ln_f`, state, config.layer_norm_epsilon, hooks);
}

function hidingLater(inputs: BatchInputs, causal: Tensor, masksPadding: boolean): Tensor {
  if (!masksPadding) return causal;
  const { batch, seq } = sizesOf(inputs);
  const isToken = ops.reshape(ops.cast(inputs.attentionMask, 'float32'), [batch, 1, 1, seq]);
  return ops.where(ops.greater(isToken, constant(0)), causal, constant(masked));
}

function nextLogits(config: Config, inputs: CachedInputs, hooks: BuildHooks) {
  const { batch, seq } = sizesOf(inputs);
  const total = inputs.keyPositions.shape[0]!;
  const { positions, keyPositions, padding } = inputs;
  const bias = padding === undefined ? causalBias(positions, keyPositions) : paddedCausalBias(padding, keyPositions);
  const places = ops.gather(hooks.weight(`${prefix}.wpe.weight`), positions);
  let state = embed(config, inputs.inputIds, places, hooks);
  const present = inputs.past.map((past, layer) => {
    const result = block(config, layer, { state, batch, seq, total, bias, past }, hooks);
    state = result.state;
    return result.cache;
  });
  const wanted = inputs.logitsOf === 'all' ? state : ops.gather(state, finalRows(batch, seq));
  const normal = layerNorm(`${prefix}.ln_f`, wanted, config.layer_norm_epsilon, hooks);
  return { logits: vocabularyLogits(normal, hooks), present };
}

function stepLogits(config: Config, inputs: StepInputs, hooks: BuildHooks) {
  const { inputIds, lengths } = inputs;
  const batch = inputIds.shape[0]!;
  const places = ops.gather(hooks.weight(`${prefix}.wpe.weight`), lengths);
  const bias = stepBias(inputs);
  let state = embed(config, inputIds, places, hooks);
  const added = inputs.past.map((kept, layer) => {
    const result = block(config, layer, { state, batch, seq: 1, total: 1, bias, kept }, hooks);
    state = result.state;
    return result.cache;
  });
  const normal = layerNorm(`${prefix}.ln_f`, state, config.layer_norm_epsilon, hooks);
  return { logits: vocabularyLogits(normal, hooks), added };
}

/** @param places position embeddings [seq, hidden] or [batch, seq, hidden], or of each text where all have one token [batch, hidden] */
function embed(config: Config, inputIds: Tensor, places: Tensor, hooks: BuildHooks): Tensor {
  const words = ops.gather(hooks.weight(embeddings), inputIds);
  const embedded = ops.reshape(ops.add(words, places), [multiplyDims(inputIds.shape), config.n_embd]);
  return hooks.dropout(embedded, config.embd_pdrop);
}

interface BlockInputs {
  /** [batch*seq, hidden] */
  readonly state: Tensor;
  readonly batch: Dim;
  readonly seq: Dim;
  readonly total: Dim;
  /** [seq, total], or [batch, 1, 1 or seq, total] */
  readonly bias: Tensor;
  /** The cache before: it is appended to. */
  readonly past?: LayerCache;
  /** The cache of a step of one token a text: it is read where it lies. */
  readonly kept?: LayerCache;
}

function block(config: Config, layer: number, inputs: BlockInputs, hooks: BuildHooks) {
  const path = `${prefix}.h.${layer}`;
  const { state } = inputs;
  const epsilon = config.layer_norm_epsilon;
  const normal = layerNorm(`${path}.ln_1`, state, epsilon, hooks);
  const { output, cache } = attention(config, layer, { ...inputs, state: normal }, hooks);
  const end = (module: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, hooks.dropout(y, config.resid_pdrop), (out) => ops.add(out, residual));
  const middle = end('attn.c_proj', output, state);
  const inner = conv1d(`${path}.mlp.c_fc`, layerNorm(`${path}.ln_2`, middle, epsilon, hooks), hooks);
  const fed = conv1d(`${path}.mlp.c_proj`, activations[config.activation_function](inner), hooks);
  return { state: end('mlp.c_proj', fed, middle), cache };
}

function attention(
  config: Config,
  layer: number,
  { state, batch, seq, total, bias, past, kept }: BlockInputs,
  hooks: BuildHooks,
) {
  const { n_embd: hidden, n_head: heads } = config;
  const headSize = hidden / heads;
  const path = `${prefix}.h.${layer}.attn`;
  const joined = conv1d(`${path}.c_attn`, state, hooks);
  const part = (index: number) => {
    const x = ops.slice(joined, { axis: 1, start: index * hidden, length: hidden });
    return splitHeads(x, { batch, length: seq, heads, headSize });
  };
  const append = (before: Tensor | undefined, now: Tensor) => (before ? ops.concat([before, now], 2, total) : now);
  const key = append(past?.key, part(1));
  const value = append(past?.value, part(2));
  const byHead = config.scale_attn_weights ? 1 / Math.sqrt(headSize) : 1;
  const scaling = config.scale_attn_by_inverse_layer_idx ? byHead / (layer + 1) : byHead;
  const cache = { key, value };
  const output = (mixed: Tensor) => conv1d(`${path}.c_proj`, mergeHeads(mixed), hooks);
  if (kept !== undefined) {
    return { output: output(stepAttention({ query: part(0), added: cache, past: kept, bias, alpha: scaling })), cache };
  }
  const scores = ops.matmul(part(0), key, { transB: true, alpha: scaling });
  const weights = hooks.dropout(ops.softmax(ops.add(scores, bias)), config.attn_pdrop);
  return { output: output(ops.matmul(weights, value)), cache };
}

/** x W + b with W [in, out], and what the adapter adds. */
function conv1d(path: string, x: Tensor, hooks: BuildHooks): Tensor {
  const weight = hooks.weight(`${path}.weight`);
  return hooks.adapt({ path, x, weight, product: ops.matmul(x, weight), bias: hooks.weight(`${path}.bias`) });
}
