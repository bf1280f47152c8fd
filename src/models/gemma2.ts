import * as z from 'zod';
import { readConfig, rowCount } from './config.js';
import { gemmaConfigShape, gemmaIgnored, gemmaOf } from './gemma.js';
import { configKeys, only } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { describeLlama, llamaClasses, windowsByType } from './llamaDecoder.js';
import type { Family } from './model.js';

const configSchema = z.object({
  ...gemmaConfigShape,
  vocab_size: rowCount.default(256_000),
  max_position_embeddings: rowCount.default(8192),
  final_logit_softcapping: z.number().positive().nullable().default(30),
  attn_logit_softcapping: z.number().positive().nullable().default(50),
});
const { attention_chunk_size } = refusedWindows({ key: 'max_position_embeddings', usual: 8192 });
const keys = configKeys(configSchema, {
  refused: {
    attention_chunk_size: attention_chunk_size!,
    use_bidirectional_attention: only(
      [false, null],
      'transformers then hides later tokens or not by how attention is computed',
    ),
  },
  ignored: gemmaIgnored,
});

/** Gemma 2: every other layer has a window, scores and logits have soft limits. */
export const gemma2: Family = {
  name: 'Gemma 2',
  modelTypes: ['gemma2'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { num_hidden_layers: layers, sliding_window: window } = config;
    const types = Array.from({ length: layers }, (_, layer) =>
      layer % 2 === 0 ? 'sliding_attention' : 'full_attention',
    );
    const { llama, variant } = gemmaOf(config);
    return describeLlama(checkpoint, llama, {
      ...variant,
      classes: llamaClasses('Gemma2'),
      windows: windowsByType(checkpoint, config.layer_types ?? types, llama, window),
      limits: { ...variant.limits, scores: config.attn_logit_softcapping ?? undefined },
    });
  },
};
