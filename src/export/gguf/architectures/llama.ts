import * as z from 'zod';
import { ggufName, llamaNames } from '../../../checkpoint/ggufNames.js';
import type { Model } from '../../../models/model.js';
import { refuse } from '../refusal.js';
import { float32, type GgufMetadata, uint32 } from '../values.js';
import type { Described, GgufArchitecture } from './architecture.js';
import { ropeOf } from './rope.js';

const configSchema = z.object({
  hidden_act: z.string().default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
});

/** LLaMA and Mistral, which llama.cpp takes for one. */
export const llama: GgufArchitecture = {
  name: 'llama',
  modelTypes: ['llama', 'mistral'],
  describe: (model, warn) => describe(model, 'llama', warn),
  place(name, model) {
    const found = ggufName(name, llamaNames);
    const { heads, keyValueHeads } = sizesOf(model);
    const turned = { 'self_attn.q_proj': heads, 'self_attn.k_proj': keyValueHeads };
    const module = Object.entries(turned).find(([one]) => name.includes(`.${one}.`));
    return found === undefined ? undefined : { name: found, heads: module?.[1] };
  },
};

/** Qwen2 and Qwen2.5. */
export const qwen2: GgufArchitecture = {
  name: 'qwen2',
  modelTypes: ['qwen2'],
  describe(model, warn) {
    const { hidden, heads, headSize } = sizesOf(model);
    if (heads * headSize !== hidden) refuse(`its heads are ${headSize} wide, which llama.cpp has not for Qwen2`);
    return describe(model, 'qwen2', warn);
  },
  place(name) {
    const found = ggufName(name, llamaNames);
    return found === undefined ? undefined : { name: found };
  },
};

function sizesOf({ adaptable, cached }: Pick<Model, 'adaptable' | 'cached'>) {
  const { heads: keyValueHeads, headSize } = cached!;
  const { inFeatures: hidden, outFeatures } = adaptable.find(({ module }) => module === 'self_attn.q_proj')!;
  return { hidden, heads: outFeatures / headSize, keyValueHeads, headSize };
}

function describe(model: Model, name: string, warn: (line: string) => void): Described {
  const { hidden, heads, keyValueHeads, headSize } = sizesOf(model);
  const config = configSchema.parse(model.checkpoint.config);
  if (config.hidden_act !== 'silu' && config.hidden_act !== 'swish') {
    refuse(`hidden_act of its config.json is ${config.hidden_act}, and llama.cpp has SiLU alone there`);
  }
  const intermediate = model.adaptable.find(({ module }) => module === 'mlp.up_proj')!.outFeatures;
  const rope = ropeOf({ max_position_embeddings: model.maxLength, ...model.checkpoint.config }, headSize);
  const length = Math.min(rope.length, windowOf(model) ?? rope.length);
  if (length < model.maxLength) {
    warn(`the context is ${length} tokens and not ${model.maxLength}: beyond, llama.cpp computes something else.`);
  }
  const own: GgufMetadata = {
    vocab_size: uint32(model.vocabSize),
    context_length: uint32(length),
    embedding_length: uint32(hidden),
    block_count: uint32(model.layers),
    feed_forward_length: uint32(intermediate),
    'attention.head_count': uint32(heads),
    'attention.head_count_kv': uint32(keyValueHeads),
    'attention.key_length': uint32(headSize),
    'attention.value_length': uint32(headSize),
    'attention.layer_norm_rms_epsilon': float32(config.rms_norm_eps),
    ...Object.fromEntries(Object.entries(rope.keys).map(([key, value]) => [`rope.${key}`, value])),
  };
  return {
    metadata: Object.fromEntries(Object.entries(own).map(([key, value]) => [`${name}.${key}`, value])),
    tensors: rope.divisors === undefined ? {} : { 'rope_freqs.weight': rope.divisors },
  };
}

/** Positions that the narrowest layer sees; undefined where all see everything. llama.cpp has no windows in these. */
function windowOf({ checkpoint: { config }, layers }: Model): number | undefined {
  const { model_type: type, sliding_window: window } = config;
  if (type === 'mistral') return 'sliding_window' in config ? numberOf(window) : 4096;
  if (type !== 'qwen2' || config.use_sliding_window !== true) return undefined;
  const types = config.layer_types;
  const slides = Array.isArray(types)
    ? types.includes('sliding_attention')
    : layers > (numberOf(config.max_window_layers) ?? 28);
  return slides ? (window === undefined ? 4096 : numberOf(window)) : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
