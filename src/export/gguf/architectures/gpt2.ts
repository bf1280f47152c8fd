import * as z from 'zod';
import { ggufName, gpt2Names } from '../../../checkpoint/ggufNames.js';
import { refuse } from '../refusal.js';
import { float32, uint32 } from '../values.js';
import type { GgufArchitecture } from './architecture.js';

const configSchema = z.object({
  activation_function: z.string().default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
});

/** GELU by the tanh, which llama.cpp has, in transformers' names. */
const geluByTanh = ['gelu_new', 'gelu_pytorch_tanh', 'gelu_fast'];

export const gpt2: GgufArchitecture = {
  name: 'gpt2',
  modelTypes: ['gpt2'],
  describe(model) {
    const config = configSchema.parse(model.checkpoint.config);
    if (!geluByTanh.includes(config.activation_function)) {
      refuse(
        `activation_function of its config.json is ${config.activation_function}, and llama.cpp has gelu_new alone there`,
      );
    }
    if (!config.scale_attn_weights || config.scale_attn_by_inverse_layer_idx) {
      refuse('its config.json has scale_attn_weights or scale_attn_by_inverse_layer_idx otherwise than llama.cpp');
    }
    const { inFeatures: hidden, outFeatures: inner } = model.adaptable.find(({ module }) => module === 'mlp.c_fc')!;
    return {
      metadata: {
        'gpt2.vocab_size': uint32(model.vocabSize),
        'gpt2.context_length': uint32(model.maxLength),
        'gpt2.embedding_length': uint32(hidden),
        'gpt2.block_count': uint32(model.layers),
        'gpt2.feed_forward_length': uint32(inner),
        'gpt2.attention.head_count': uint32(model.cached!.heads),
        'gpt2.attention.layer_norm_epsilon': float32(config.layer_norm_epsilon),
      },
      tensors: {},
    };
  },
  place(name) {
    const found = ggufName(name, gpt2Names);
    if (found === undefined) return undefined;
    return { name: found, ...(found === 'position_embd.weight' ? { exact: true } : {}) };
  },
};
