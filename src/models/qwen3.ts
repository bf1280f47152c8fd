import * as z from 'zod';
import { readConfig, rowCount, width } from './config.js';
import { configKeys } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { describeLlama, llamaClasses, llamaConfigShape } from './llamaDecoder.js';
import type { Family } from './model.js';
import { qwenWindowShape, qwenWindows } from './qwenWindows.js';

const configSchema = z.object({
  ...llamaConfigShape,
  ...qwenWindowShape,
  vocab_size: rowCount.default(151_936),
  intermediate_size: width.default(22_016),
  num_key_value_heads: width.nullable().default(32),
  head_dim: width.default(128),
  max_position_embeddings: rowCount.default(32_768),
  attention_bias: z.boolean().default(false),
});
const { attention_chunk_size } = refusedWindows({ key: 'max_position_embeddings', usual: 32_768 });
const keys = configKeys(configSchema, { refused: { attention_chunk_size: attention_chunk_size! } });

/** Qwen3 (arXiv 2505.09388): LLaMA whose queries and keys have a norm of their own in every head, before they are turned. */
export const qwen3: Family = {
  name: 'Qwen3',
  modelTypes: ['qwen3'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { attention_bias: attention } = config;
    return describeLlama(checkpoint, config, {
      classes: llamaClasses('Qwen3'),
      biases: { qkv: attention, output: attention, mlp: false },
      windows: qwenWindows(checkpoint, config),
      queryKeyNorms: 'head',
    });
  },
};
