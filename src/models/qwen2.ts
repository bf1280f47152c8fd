import * as z from 'zod';
import { readConfig, rowCount, width } from './config.js';
import { configKeys } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { describeLlama, layerTypes, llamaConfigShape, windowSize, windowsByType } from './llamaDecoder.js';
import type { Family } from './model.js';

const configSchema = z.object({
  ...llamaConfigShape,
  vocab_size: rowCount.default(151_936),
  intermediate_size: width.default(22_016),
  num_key_value_heads: width.nullable().default(32),
  max_position_embeddings: rowCount.default(32_768),
  use_sliding_window: z.boolean().default(false),
  sliding_window: windowSize.default(4096),
  max_window_layers: z.int().default(28),
  layer_types: layerTypes,
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
    const { num_hidden_layers: layers, max_window_layers: first } = config;
    const window = config.use_sliding_window ? config.sliding_window : null;
    const fromFirst = Array.from({ length: layers }, (_, layer) =>
      window !== null && layer >= first ? 'sliding_attention' : 'full_attention',
    );
    return describeLlama(checkpoint, config, {
      className: 'Qwen2',
      biases: { qkv: true, output: false, mlp: false },
      windows: windowsByType(checkpoint, config.layer_types ?? fromFirst, config, window),
    });
  },
};
