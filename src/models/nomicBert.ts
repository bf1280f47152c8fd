import * as z from 'zod';
import type { Checkpoint, StoredTensor } from '../checkpoint/types.js';
import { multiplyDims, ops, type Tensor } from '../graph/index.js';
import { bertConfigShape, bertMaskedOptions, bertPredictions, bertSpellings, isPositionIds } from './bertEncoder.js';
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
import type { Refusal } from './keys/configKeys.js';
import { configKeys, only } from './keys/configKeys.js';
import {
  embeddingTensor,
  firstTokens,
  layerModules,
  layerNorm,
  lengthsOf,
  linear,
  mergeHeads,
  normTensors,
  paddingBias,
  sizesOf,
  splitHeads,
} from './layers.js';
import { maskedHead } from './maskedHead.js';
import type { AdaptableModule, Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { pooledHead } from './pooledHead.js';
import { type Rotary, type RotaryTables, rotaryConfigShape, rotaryOf, turned } from './rotary.js';
import { tokenHead } from './tokenHeads.js';

const { is_decoder: _, is_causal: __, ...shape } = bertConfigShape;
const configSchema = z.object({
  ...shape,
  ...rotaryConfigShape,
  vocab_size: rowCount.default(30_528),
  hidden_act: z.enum(activationNames).default('silu'),
  hidden_dropout_prob: dropoutRate.default(0),
  attention_probs_dropout_prob: dropoutRate.default(0),
  head_dim: width.nullish(),
});
type Config = z.infer<typeof configSchema>;

/** As modeling_nomic_bert.py has it where no file says otherwise. */
const usualTheta = 1000;

const elsewhere = 'transformers 5 reads this family under other names, and takes the usual value for it';
/** A key of the code that was once saved beside the weights: transformers 5 takes the value of another key, or the usual one. */
const as = (key: string, usual: number): Refusal => ({
  allows: (value, config) => value === null || value === (config[key] ?? usual),
  why: `${elsewhere}. Say it as ${key}`,
});
const never = (...values: readonly unknown[]) =>
  only([null, ...values], `${elsewhere}, so that the result would be another`);

const keys = configKeys(configSchema, {
  refused: {
    is_causal: only(
      [false, null],
      'transformers then hides later tokens from a text alone, but not from one in a padded batch. Leave it out',
    ),
    n_embd: as('hidden_size', 768),
    n_layer: as('num_hidden_layers', 12),
    n_head: as('num_attention_heads', 12),
    n_inner: as('intermediate_size', 3072),
    layer_norm_epsilon: as('layer_norm_eps', 1e-12),
    rotary_emb_base: {
      allows: (value, { rope_parameters: rope, rope_theta: theta }) =>
        value === null || rope !== undefined || value === (theta ?? usualTheta),
      why: `${elsewhere}. Say it as rope_theta`,
    },
    activation_function: never('swiglu'),
    rotary_emb_fraction: never(1),
    rotary_emb_interleaved: never(false),
    rotary_scaling_factor: never(),
    causal: never(false),
    prenorm: never(false),
    parallel_block: never(false),
    use_rms_norm: never(false),
    qkv_proj_bias: never(false),
    mlp_fc1_bias: never(false),
    mlp_fc2_bias: never(false),
    num_experts: never(0, 1),
    moe_every_n_layers: never(0),
  },
});

const prefix = 'nomic_bert';

/**
 * NomicBERT (arXiv 2402.01613) as transformers 5 has it, modeling_nomic_bert.py: BERT with rotary positions, a gated feed-forward part
 * and no biases in its layers.
 */
export const nomicBert: Family = { name: 'NomicBERT', modelTypes: ['nomic_bert'], keys, describe, restated };

/** Names of tensors in files, and in transformers' class (conversion_mapping.py). */
const renamed: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)encoder\.layers\./, '$1layers.'],
  [/(^|\.)emb_ln\./, '$1embeddings.LayerNorm.'],
  [/\.attn\.out_proj\./, '.self_attn.o_proj.'],
  [/\.fc11\./, '.up_proj.'],
  [/\.fc12\./, '.gate_proj.'],
  [/\.fc2\./, '.down_proj.'],
  [/\.norm1\./, '.post_attention_layernorm.'],
  [/\.norm2\./, '.post_mlp_layernorm.'],
];
const fused = /\.attn\.Wqkv\./;

/** Files hold queries, keys and values as one tensor, one third after another. */
function restated(checkpoint: Checkpoint): Checkpoint {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    const own = renamed.reduce((text, [now, then]) => text.replace(now, then), name);
    const [rows = 0, ...rest] = tensor.shape;
    const parts = fused.test(own) && rows % 3 === 0 ? ['q_proj', 'k_proj', 'v_proj'] : [];
    if (parts.length === 0) tensors.set(own, { ...tensor, name: own });
    const length = tensor.length / 3;
    for (const [i, part] of parts.entries()) {
      const one = own.replace(fused, `.self_attn.${part}.`);
      tensors.set(one, {
        ...tensor,
        name: one,
        shape: [rows / 3, ...rest],
        offset: tensor.offset + i * length,
        length,
      });
    }
  }
  return { ...checkpoint, tensors };
}

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const { hidden_size: hidden, initializer_range: initializerRange } = config;
  const headSize =
    config.head_dim ??
    headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', config.num_attention_heads]);
  if (headSize % 2 !== 0)
    throw configError(checkpoint, `the size of a head, ${headSize}, is odd, which rotary embeddings cannot be.`);
  const rotary = rotaryOf({ ...config, rope_theta: config.rope_theta ?? usualTheta }, headSize, checkpoint);
  const adaptable = modulesOf(config, headSize);
  const encoder = { config, headSize, rotary };
  const states = (inputs: BatchInputs, hooks: BuildHooks) => encode(encoder, inputs, hooks);
  const perToken = { hiddenSize: hidden, initializerRange, encode: states };
  const dropout = config.classifier_dropout ?? config.hidden_dropout_prob;
  return {
    layers: config.num_hidden_layers,
    adaptable,
    tensors: backboneTensors(config, adaptable),
    spellings: bertSpellings(prefix),
    isBuffer: (name) => isPositionIds(name) || name.endsWith('inv_freq'),
    vocabSize: config.vocab_size,
    maxLength: rotary.maxLength,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    tokenTypes: config.type_vocab_size,
    states,
    encoder: 'NomicBertModel',
    heads: {
      SEQ_CLS: (numLabels) =>
        pooledHead(numLabels, {
          ...perToken,
          architecture: 'NomicBertForSequenceClassification',
          pooler: `${prefix}.pooler`,
          dense: `${prefix}.pooler.dense`,
          dropout,
          encode: (inputs, hooks) => firstTokens(states(inputs, hooks), sizesOf(inputs)),
        }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, { ...perToken, architecture: 'NomicBertForTokenClassification', dropout }),
      MASKED_LM: () =>
        maskedHead(checkpoint, {
          ...bertMaskedOptions(prefix, config, bertSpellings(prefix)),
          ...bertPredictions,
          norm: 'cls.predictions.transform.layer_norm',
          architecture: 'NomicBertForMaskedLM',
          activation: activations[config.hidden_act],
          encode: states,
        }),
    },
  };
}

const layerPath = (layer: number) => `${prefix}.layers.${layer}`;

function modulesOf(config: Config, headSize: number): AdaptableModule[] {
  const { hidden_size: hidden, intermediate_size: intermediate, num_attention_heads: heads } = config;
  const inner = heads * headSize;
  return layerModules(`${prefix}.layers`, config.num_hidden_layers, [
    ['self_attn.q_proj', hidden, inner, 'query'],
    ['self_attn.k_proj', hidden, inner, 'key'],
    ['self_attn.v_proj', hidden, inner, 'value'],
    ['self_attn.o_proj', inner, hidden, 'attention'],
    ['mlp.gate_proj', hidden, intermediate],
    ['mlp.up_proj', hidden, intermediate],
    ['mlp.down_proj', intermediate, hidden, 'feedForward'],
  ]);
}

function backboneTensors(config: Config, adaptable: readonly AdaptableModule[]) {
  const { hidden_size: hidden } = config;
  const layers = Array.from({ length: config.num_hidden_layers }, (_, layer) => layerPath(layer));
  return [
    embeddingTensor(`${prefix}.embeddings.word_embeddings`, config.vocab_size, hidden),
    embeddingTensor(`${prefix}.embeddings.token_type_embeddings`, config.type_vocab_size, hidden),
    ...normTensors(`${prefix}.embeddings.LayerNorm`, hidden),
    ...adaptable.map(({ path, outFeatures, inFeatures }) => ({
      name: `${path}.weight`,
      shape: [outFeatures, inFeatures],
    })),
    ...layers.flatMap((path) => [
      ...normTensors(`${path}.post_attention_layernorm`, hidden),
      ...normTensors(`${path}.post_mlp_layernorm`, hidden),
    ]),
  ];
}

interface Encoder {
  readonly config: Config;
  readonly headSize: number;
  readonly rotary: Rotary;
}

/** What the layers of a batch have in common. */
interface Places {
  readonly tables: RotaryTables;
  /** [batch, 1, 1, seq] */
  readonly maskBias: Tensor;
}

/** Hidden states after the last layer [batch*seq, hidden]. */
function encode(encoder: Encoder, inputs: BatchInputs, hooks: BuildHooks): Tensor {
  const { config, rotary } = encoder;
  const { batch, seq } = sizesOf(inputs);
  const table = (name: string) => hooks.weight(`${prefix}.embeddings.${name}_embeddings.weight`);
  const words = ops.gather(table('word'), inputs.inputIds);
  const embedded = ops.add(words, ops.gather(table('token_type'), inputs.tokenTypeIds));
  const tokens = ops.reshape(embedded, [multiplyDims([batch, seq]), config.hidden_size]);
  const normal = layerNorm(`${prefix}.embeddings.LayerNorm`, tokens, config.layer_norm_eps, hooks);
  let state = hooks.dropout(normal, config.hidden_dropout_prob);
  const tables = rotary.tables(ops.range(seq), rotary.dependsOnLength ? lengthsOf(inputs) : ops.size(seq));
  const places = { tables, maskBias: paddingBias(inputs) };
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    state = hooks.startLayer(state);
    state = encoderLayer(encoder, layerPath(layer), state, places, inputs, hooks);
  }
  return state;
}

function encoderLayer(
  { config, headSize }: Encoder,
  path: string,
  state: Tensor,
  { tables, maskBias }: Places,
  inputs: BatchInputs,
  hooks: BuildHooks,
): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const project = (module: string, x: Tensor) => linear(`${path}.${module}`, x, hooks, { bias: false });
  const heads = { batch, length: seq, heads: config.num_attention_heads, headSize };
  const split = (name: string) => splitHeads(project(`self_attn.${name}`, state), heads);
  const [query, key, value] = [split('q_proj'), split('k_proj'), split('v_proj')];
  const alpha = 1 / Math.sqrt(headSize);
  const scores = ops.matmul(turned(query, tables), turned(key, tables), { transB: true, alpha });
  const weights = hooks.dropout(ops.softmax(ops.add(scores, maskBias)), config.attention_probs_dropout_prob);
  const end = (module: string, norm: string, y: Tensor, residual: Tensor) =>
    hooks.endSubLayer(`${path}.${module}`, hooks.dropout(y, config.hidden_dropout_prob), (out) =>
      layerNorm(`${path}.${norm}`, ops.add(residual, out), config.layer_norm_eps, hooks),
    );
  const mixed = project('self_attn.o_proj', mergeHeads(ops.matmul(weights, value)));
  const middle = end('self_attn.o_proj', 'post_attention_layernorm', mixed, state);
  const gate = activations[config.hidden_act](project('mlp.gate_proj', middle));
  const fed = project('mlp.down_proj', ops.mul(gate, project('mlp.up_proj', middle)));
  return end('mlp.down_proj', 'post_mlp_layernorm', fed, middle);
}
