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
});
const keys = configKeys(configSchema, {
  refused: refusedWindows({ key: 'max_position_embeddings', usual: 2048 }),
  ignored: { pretraining_tp: 'says how the same product was once computed in parts' },
});

/** LLaMA 1 to 3 and SmolLM. */
export const llama: Family = {
  name: 'LLaMA',
  modelTypes: ['llama'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { attention_bias: attention, mlp_bias: mlp, num_hidden_layers: layers } = config;
    return describeLlama(checkpoint, config, {
      classes: llamaClasses('Llama'),
      biases: { qkv: attention, output: attention, mlp },
      windows: Array.from({ length: layers }, () => undefined),
    });
  },
};
