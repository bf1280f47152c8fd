import * as z from 'zod';
import { configError, parseConfig } from './config.js';
import { describeLlama } from './llamaDecoder.js';
import type { Family } from './model.js';

const windowSchema = z.object({
  use_sliding_window: z.boolean().default(false),
  sliding_window: z.int().positive().nullish().default(4096),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: z.array(z.enum(['full_attention', 'sliding_attention'])).nullish(),
});

/** Qwen2 and Qwen2.5 (arXiv 2407.10671): LLaMA with biases on queries, keys and values, and windows from some layer on. */
export const qwen2: Family = {
  name: 'Qwen2',
  modelTypes: ['qwen2'],
  describe: (checkpoint) =>
    describeLlama(checkpoint, {
      className: 'Qwen2',
      biases: () => ({ qkv: true, output: false, mlp: false }),
      window({ num_hidden_layers: layers }, _, layer) {
        const config = parseConfig(windowSchema, checkpoint);
        const { layer_types: types } = config;
        if (types && types.length !== layers) {
          throw configError(checkpoint, `layer_types has ${types.length} entries for ${layers} layers.`);
        }
        const slides = types ? types[layer] === 'sliding_attention' : layer >= config.max_window_layers;
        return config.use_sliding_window && slides ? (config.sliding_window ?? undefined) : undefined;
      },
    }),
};
