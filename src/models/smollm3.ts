import * as z from 'zod';
import { configError, layerCount, readConfig, rowCount, tokenId, width } from './config.js';
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
  vocab_size: rowCount.default(128_256),
  hidden_size: width.default(2048),
  num_hidden_layers: layerCount.default(36),
  num_attention_heads: width.default(16),
  num_key_value_heads: width.nullable().default(4),
  max_position_embeddings: rowCount.default(32_768),
  pad_token_id: tokenId.default(128_004),
  tie_word_embeddings: z.boolean().default(true),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  use_sliding_window: z.boolean().default(false),
  sliding_window: windowSize.default(null),
  layer_types: layerTypes,
  no_rope_layers: z.array(z.int().min(0).max(1)).nullish(),
  no_rope_layer_interval: z.int().positive().default(4),
});
const { attention_chunk_size } = refusedWindows({ key: 'max_position_embeddings', usual: 32_768 });
const keys = configKeys(configSchema, { refused: { attention_chunk_size: attention_chunk_size! } });
const usualTheta = 2_000_000;

/** SmolLM3: LLaMA in which every fourth layer, or those that `no_rope_layers` has a 0 for, knows no positions (arXiv 2501.18795). */
export const smollm3: Family = {
  name: 'SmolLM3',
  modelTypes: ['smollm3'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { num_hidden_layers: layers, no_rope_layer_interval: interval, attention_bias: attention } = config;
    const rotated = Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
    const stated = config.no_rope_layers?.map((one) => one === 1) ?? rotated;
    if (stated.length < layers)
      throw configError(checkpoint, `no_rope_layers has ${stated.length} entries for ${layers} layers.`);
    const window = config.use_sliding_window ? config.sliding_window : null;
    const types = stated
      .slice(0, layers)
      .map((turns) => (window !== null && !turns ? 'sliding_attention' : 'full_attention'));
    return describeLlama(
      checkpoint,
      { ...config, rope_theta: config.rope_theta ?? usualTheta },
      {
        classes: llamaClasses('SmolLM3'),
        biases: { qkv: attention, output: attention, mlp: config.mlp_bias },
        windows: windowsByType(checkpoint, config.layer_types ?? types, config, window),
        rotated: stated,
      },
    );
  },
};
