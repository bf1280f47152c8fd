import * as z from 'zod';
import { readConfig, rowCount, tokenId } from './config.js';
import { configKeys } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { describeLlama, llamaClasses, llamaConfigShape } from './llamaDecoder.js';
import type { Family } from './model.js';

const configSchema = z.object({
  ...llamaConfigShape,
  vocab_size: rowCount.default(50_304),
  rms_norm_eps: z.number().positive().default(1e-5),
  pad_token_id: tokenId.default(1),
  attention_bias: z.boolean().default(false),
});
const keys = configKeys(configSchema, { refused: refusedWindows({ key: 'max_position_embeddings', usual: 2048 }) });

/** OLMo 2 (arXiv 2501.00656): LLaMA with norms on what sub-layers give, and over all heads of the queries and keys. */
export const olmo2: Family = {
  name: 'OLMo 2',
  modelTypes: ['olmo2'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { attention_bias: attention, num_hidden_layers: layers } = config;
    return describeLlama(checkpoint, config, {
      classes: llamaClasses('Olmo2', ['CAUSAL_LM', 'SEQ_CLS']),
      biases: { qkv: attention, output: attention, mlp: false },
      windows: Array.from({ length: layers }, () => undefined),
      queryKeyNorms: 'all',
      norms: 'after',
    });
  },
};
