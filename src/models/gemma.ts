import * as z from 'zod';
import { activationNames, dropoutRate, layerCount, tokenId, width } from './config.js';
import { type LlamaConfig, type LlamaVariant, layerTypes, llamaConfigShape, windowSize } from './llamaDecoder.js';

const { hidden_act: _, ...llamaShape } = llamaConfigShape;

/** The settings that Gemma 2 and 3 share in config.json, with transformers' defaults. */
export const gemmaConfigShape = {
  ...llamaShape,
  hidden_size: width.default(2304),
  intermediate_size: width.default(9216),
  num_hidden_layers: layerCount.default(26),
  num_attention_heads: width.default(8),
  num_key_value_heads: width.default(4),
  head_dim: width.default(256),
  hidden_activation: z.enum(activationNames).default('gelu_pytorch_tanh'),
  pad_token_id: tokenId.default(0),
  tie_word_embeddings: z.boolean().default(true),
  attention_bias: z.boolean().default(false),
  attention_dropout: dropoutRate
    .nullable()
    .default(0)
    .transform((rate) => rate ?? 0),
  query_pre_attn_scalar: z.number().positive().default(256),
  sliding_window: windowSize.default(4096),
  layer_types: layerTypes,
  final_logit_softcapping: z.number().positive().nullish(),
};
type GemmaConfig = z.infer<z.ZodObject<typeof gemmaConfigShape>>;

export const gemmaIgnored = { hidden_act: 'hidden_activation says it' };

/** config.json in LLaMA's words, and in what Gemma 2 and 3 differ from it (arXiv 2408.00118, 2503.19786). */
export function gemmaOf<Config extends GemmaConfig>(config: Config) {
  const { attention_bias: attention } = config;
  const llama = { ...config, hidden_act: config.hidden_activation } satisfies LlamaConfig;
  const variant = {
    biases: { qkv: attention, output: attention, mlp: false },
    norms: 'around',
    normOffset: 1,
    factors: {
      embeddings: Math.fround(Math.sqrt(config.hidden_size)),
      attention: config.query_pre_attn_scalar ** -0.5,
    },
    limits: { logits: config.final_logit_softcapping ?? undefined },
  } satisfies Partial<LlamaVariant>;
  return { llama, variant };
}
