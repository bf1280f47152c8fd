import * as z from 'zod';
import { readConfig } from './config.js';
import { configKeys } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { describeLlama, llamaClasses, llamaConfigShape } from './llamaDecoder.js';
import type { Family } from './model.js';

const configSchema = z.object({
  ...llamaConfigShape,
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  embedding_multiplier: z.number().default(1),
  attention_multiplier: z.number().default(1),
  residual_multiplier: z.number().default(1),
  logits_scaling: z.number().positive().default(1),
});
const keys = configKeys(configSchema, { refused: refusedWindows({ key: 'max_position_embeddings', usual: 2048 }) });

/** Granite 3: LLaMA with factors on embeddings, scores, what sub-layers add, and logits, as µP has it (arXiv 2203.03466). */
export const granite: Family = {
  name: 'Granite',
  modelTypes: ['granite'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { attention_bias: attention, num_hidden_layers: layers } = config;
    return describeLlama(checkpoint, config, {
      classes: llamaClasses('Granite', ['CAUSAL_LM']),
      biases: { qkv: attention, output: attention, mlp: config.mlp_bias },
      windows: Array.from({ length: layers }, () => undefined),
      factors: {
        embeddings: config.embedding_multiplier,
        attention: config.attention_multiplier,
        residual: config.residual_multiplier,
        logits: 1 / config.logits_scaling,
      },
    });
  },
};
