import * as z from 'zod';
import { readConfig, rowCount } from './config.js';
import { gemmaConfigShape, gemmaIgnored, gemmaOf } from './gemma.js';
import { configKeys, only } from './keys/configKeys.js';
import { refusedWindows } from './keys/windows.js';
import { describeLlama, windowsByType } from './llamaDecoder.js';
import type { Family } from './model.js';
import { type RotaryConfig, rotaryParametersByType } from './rotary.js';

const configSchema = z.object({
  ...gemmaConfigShape,
  vocab_size: rowCount.default(262_208),
  max_position_embeddings: rowCount.default(131_072),
  rope_parameters: rotaryParametersByType.nullish(),
  rope_local_base_freq: z.number().positive().default(10_000),
  sliding_window_pattern: z.int().positive().default(6),
});
const ofPictures = 'of models that take pictures too, which have another model_type';
const { attention_chunk_size } = refusedWindows({ key: 'max_position_embeddings', usual: 131_072 });
const keys = configKeys(configSchema, {
  refused: {
    attention_chunk_size: attention_chunk_size!,
    use_bidirectional_attention: only([false, null], 'a Gemma that sees the whole text is not built'),
  },
  ignored: {
    ...gemmaIgnored,
    attn_logit_softcapping: 'transformers reads it and does not apply it in this family',
    text_config: ofPictures,
    vision_config: ofPictures,
    image_token_id: ofPictures,
    mm_tokens_per_image: ofPictures,
  },
});

/** Gemma 3, the models of text: five layers of six have a window, and rotary positions of their own. */
export const gemma3: Family = {
  name: 'Gemma 3',
  modelTypes: ['gemma3_text'],
  keys,
  describe(checkpoint) {
    const config = readConfig(configSchema, keys, checkpoint);
    const { num_hidden_layers: layers, sliding_window: window, sliding_window_pattern: pattern } = config;
    const usual = Array.from({ length: layers }, (_, layer) =>
      (layer + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention',
    );
    const types = config.layer_types ?? usual;
    const { llama, variant } = gemmaOf({ ...config, rope_parameters: undefined });
    const windows = windowsByType(checkpoint, types, llama, window);
    const rotary = rotaryByType(config);
    return describeLlama(checkpoint, llama, {
      ...variant,
      classes: { CAUSAL_LM: 'Gemma3ForCausalLM', SEQ_CLS: 'Gemma3TextForSequenceClassification' },
      windows,
      queryKeyNorms: 'head',
      rotaries: windows.map((one) => (one === undefined ? rotary.full : rotary.sliding)),
    });
  },
};

/** As `convert_rope_params_to_dict` of transformers has it: scaling is for the layers that see everything. */
function rotaryByType(config: z.infer<typeof configSchema>) {
  const { rope_parameters: parameters, rope_scaling: scaling, rope_theta: theta, rope_local_base_freq: local } = config;
  const of = (settings: RotaryConfig['rope_parameters'], usualTheta: number): RotaryConfig => ({
    max_position_embeddings: config.max_position_embeddings,
    original_max_position_embeddings: config.original_max_position_embeddings,
    partial_rotary_factor: config.partial_rotary_factor,
    rope_parameters: settings,
    rope_theta: usualTheta,
  });
  return {
    full: of({ ...parameters?.full_attention, ...scaling }, theta ?? 1_000_000),
    sliding: of(parameters?.sliding_attention, local),
  };
}
