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
import { embeddingTensor, layerModules, layerNorm, normTensors, splitHeads } from './layers.js';
import type { AdaptableModule, Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { outputName, outputWeight } from './outputWeight.js';
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
  const parts = partsOf(config);
  const states = (inputs: BatchInputs, hooks: BuildHooks) => decoderStates(parts, inputs, hooks);
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
      CAUSAL_LM: () =>
        causalHead({
          architecture: 'GPT2LMHeadModel',
          output,
          shape: [config.vocab_size, hidden],
          states,
          logits: vocabularyLogits,
        }),
      SEQ_CLS: (numLabels) =>
        lastTokenHead(numLabels, {
          architecture: 'GPT2ForSequenceClassification',
          hiddenSize: hidden,
          initializerRange: deviation,
          states,
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
          encode: (inputs, hooks) => decoderStates(parts, inputs, hooks, { masksPadding: true }),
        }),
    },
    ...(config.is_causal ? { cached: cachedDecoder(parts, { heads, headSize }) } : {}),
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

function partsOf(config: Config): DecoderParts {
  return {
    layers: config.n_layer,
    isCausal: config.is_causal,
    embed(inputIds, places, hooks) {
      const words = ops.gather(hooks.weight(embeddings), inputIds);
      const embedded = ops.add(words, places.rows(hooks.weight(`${prefix}.wpe.weight`)));
      return hooks.dropout(ops.reshape(embedded, [multiplyDims(inputIds.shape), config.n_embd]), config.embd_pdrop);
    },
    layer: (index, inputs, hooks) => block(config, index, inputs, hooks),
    finish: (state, hooks) => layerNorm(`${prefix}.ln_f`, state, config.layer_norm_epsilon, hooks),
    logits: vocabularyLogits,
  };
}

function block(config: Config, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
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

function attention(config: Config, layer: number, inputs: LayerInputs, hooks: BuildHooks) {
  const { n_embd: hidden, n_head: heads } = config;
  const headSize = hidden / heads;
  const path = `${prefix}.h.${layer}.attn`;
  const { batch, seq } = inputs.places;
  const joined = conv1d(`${path}.c_attn`, inputs.state, hooks);
  const [query, key, value] = [0, 1, 2].map((index) => {
    const x = ops.slice(joined, { axis: 1, start: index * hidden, length: hidden });
    return splitHeads(x, { batch, length: seq, heads, headSize });
  });
  const byHead = config.scale_attn_weights ? 1 / Math.sqrt(headSize) : 1;
  const alpha = config.scale_attn_by_inverse_layer_idx ? byHead / (layer + 1) : byHead;
  const asked = { query: query!, key: key!, value: value!, alpha, dropout: config.attn_pdrop };
  const { mixed, cache } = decoderAttention(asked, inputs, hooks);
  return { output: conv1d(`${path}.c_proj`, mixed, hooks), cache };
}

/** x W + b with W [in, out], and what the adapter adds. */
function conv1d(path: string, x: Tensor, hooks: BuildHooks): Tensor {
  const weight = hooks.weight(`${path}.weight`);
  return hooks.adapt({ path, x, weight, product: ops.matmul(x, weight), bias: hooks.weight(`${path}.bias`) });
}
