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
  max_position_embeddings: rowCount.default(32_768),
});
const { attention_chunk_size } = refusedWindows({ key: 'max_position_embeddings', usual: 32_768 });
const keys = configKeys(configSchema, { refused: { attention_chunk_size: attention_chunk_size! } });

/** Qwen2 and Qwen2.5 (arXiv 2407.10671): LLaMA with biases on queries, keys and values, and windows from some layer on. */
export const qwen2: Family = {
  name: 'Qwen2',
  modelTypes: ['qwen2'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    return describeLlama(checkpoint, config, {
      classes: llamaClasses('Qwen2'),
      biases: { qkv: true, output: false, mlp: false },
      windows: qwenWindows(checkpoint, config),
    });
  },
};
