import * as z from 'zod';
import { dropoutRate, readConfig, rowCount, tokenId, width } from './config.js';
import { configKeys } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { describeLlama, llamaClasses, llamaConfigShape, windowSize } from './llamaDecoder.js';
import type { Family } from './model.js';

const configSchema = z.object({
  ...llamaConfigShape,
  vocab_size: rowCount.default(32_064),
  hidden_size: width.default(3072),
  intermediate_size: width.default(8192),
  max_position_embeddings: rowCount.default(4096),
  original_max_position_embeddings: z.int().positive().default(4096),
  rms_norm_eps: z.number().positive().default(1e-5),
  pad_token_id: tokenId.default(32_000),
  resid_pdrop: dropoutRate.default(0),
  sliding_window: windowSize.default(null),
});
const { attention_chunk_size, layer_types } = refusedWindows({ key: 'max_position_embeddings', usual: 4096 });
const keys = configKeys(configSchema, {
  refused: { attention_chunk_size: attention_chunk_size!, layer_types: layer_types! },
  ignored: { embd_pdrop: 'transformers reads it nowhere' },
});

/** Phi-3 and Phi-4 (arXiv 2404.14219): LLaMA with fused modules; the start of a head alone may be turned by positions. */
export const phi3: Family = {
  name: 'Phi-3',
  modelTypes: ['phi3'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { num_hidden_layers: layers, sliding_window: window, resid_pdrop: dropout } = config;
    const parameters = config.rope_scaling ?? config.rope_parameters;
    const share = parameters?.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
    const kind = parameters?.rope_type ?? parameters?.type;
    // What files of the first Phi-3 call it.
    const renamed = kind === 'su' || kind === 'yarn' ? { rope_type: 'longrope' } : {};
    const rotary = {
      ...config,
      rope_scaling: undefined,
      rope_parameters: { ...parameters, ...renamed, partial_rotary_factor: 1 },
      partial_rotary_factor: undefined,
    };
    return describeLlama(checkpoint, rotary, {
      classes: llamaClasses('Phi3'),
      biases: { qkv: false, output: false, mlp: false },
      windows: Array.from({ length: layers }, () => window ?? undefined),
      rotaryShare: share,
      fused: true,
      dropout,
    });
  },
};
