import * as z from 'zod';
import { readConfig, rowCount, width } from './config.js';
import { configKeys } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import {
  describeLlama,
  layerTypes,
  llamaClasses,
  llamaConfigShape,
  windowSize,
  windowsByType,
} from './llamaDecoder.js';
import type { Family } from './model.js';

const configSchema = z.object({
  ...llamaConfigShape,
  intermediate_size: width.default(14_336),
  num_key_value_heads: width.nullable().default(8),
  max_position_embeddings: rowCount.default(131_072),
  sliding_window: windowSize.default(4096),
  layer_types: layerTypes,
});
const { attention_chunk_size } = refusedWindows({ key: 'max_position_embeddings', usual: 131_072 });
const keys = configKeys(configSchema, { refused: { attention_chunk_size: attention_chunk_size! } });

/**
 * Mistral (arXiv 2310.06825): LLaMA whose layers see a window of positions; all of them, or those that `layer_types` names,
 * as in Ministral, for which transformers takes such a file.
 */
export const mistral: Family = {
  name: 'Mistral',
  modelTypes: ['mistral'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { layer_types: types, sliding_window: window, num_hidden_layers: layers } = config;
    const all = Array.from({ length: layers }, () => window ?? undefined);
    return describeLlama(checkpoint, config, {
      classes: llamaClasses('Mistral'),
      biases: { qkv: false, output: false, mlp: false },
      windows: types ? windowsByType(checkpoint, types, config, window) : all,
    });
  },
};
