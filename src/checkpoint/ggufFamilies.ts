import { type GgufNames, gpt2Names, llamaNames } from './ggufNames.js';
import { ropeKeys } from './ggufRope.js';

/** config.json of a converted GGUF. */
export interface GgufConfig extends Readonly<Record<string, unknown>> {
  readonly model_type: string;
}

/** The metadata of a file, read under the architecture's own names. */
export interface GgufSettings {
  /** A number; undefined where the file does not have it. @throws DiffoError for a list */
  find(key: string): number | undefined;
  /** @throws DiffoError where the file does not have it */
  need(key: string): number;
  /** Rows of the token embeddings. */
  readonly vocabulary: number;
  /** Whether a tensor has a name like this. */
  has(name: RegExp): boolean;
  /** `rope_scaling` of config.json. */
  ropeScaling(context: number): unknown;
}

/** A family of models as GGUF files have it. */
export interface GgufFamily {
  readonly names: GgufNames;
  /** Settings that it reads, beside those that all do. */
  readonly settings: readonly string[];
  /** What config.json says, special tokens apart; in an order that stays, since adapters know their base by a hash of it. */
  config(of: GgufSettings): GgufConfig;
  /** True for a module that has a bias. */
  takesBias(module: string, config: GgufConfig): boolean;
  /** Where some biases are there, those left out are zero. */
  readonly fillsBiases?: true;
  /**
   * Heads whose rows llama.cpp stores in another order (rotary pairs next to each other), by transformers' name: weights and
   * biases of LLaMA's queries and keys (convert_hf_to_gguf.py, `LlamaModel.permute`). Undefined where rows are as they
   * should be.
   */
  permutedHeads?(name: string, config: GgufConfig): number | undefined;
  /** True for a weight that lies as [in, out] in transformers, and as [out, in] in the file. */
  isTransposed?(name: string): boolean;
}

const rotary = [
  'attention.head_count_kv',
  'attention.key_length',
  'attention.value_length',
  'attention.layer_norm_rms_epsilon',
  'rope.freq_base',
  'rope.dimension_count',
  ...ropeKeys.map((key) => `rope.${key}`),
  'rope.scaling.finetuned',
];

const isTied = ({ has }: Pick<GgufSettings, 'has'>) => !has(/^output\.weight$/);

function rotaryConfig(of: GgufSettings) {
  const { find, need, ropeScaling, vocabulary } = of;
  const [heads, context] = [need('attention.head_count'), need('context_length')];
  const headSize = find('attention.key_length');
  return {
    vocab_size: vocabulary,
    hidden_size: need('embedding_length'),
    intermediate_size: need('feed_forward_length'),
    num_hidden_layers: need('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: find('attention.head_count_kv') ?? heads,
    ...(headSize === undefined ? {} : { head_dim: headSize }),
    hidden_act: 'silu',
    rms_norm_eps: need('attention.layer_norm_rms_epsilon'),
    max_position_embeddings: context,
    rope_theta: find('rope.freq_base') ?? 10_000,
    rope_scaling: ropeScaling(context),
    tie_word_embeddings: isTied(of),
  };
}

const llama: GgufFamily = {
  names: llamaNames,
  settings: rotary,
  config: (of) => ({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    ...rotaryConfig(of),
    attention_bias: of.has(/\.attn_(q|k|v|output)\.bias$/),
    // Left out where it is false, as in the hashes of bases that adapters know.
    ...(of.has(/\.ffn_(gate|up|down)\.bias$/) ? { mlp_bias: true } : {}),
  }),
  takesBias(module, config) {
    if (/\.self_attn\.[qkvo]_proj$/.test(module)) return config.attention_bias === true;
    return /\.mlp\.\w+_proj$/.test(module) && config.mlp_bias === true;
  },
  fillsBiases: true,
  permutedHeads(name, config) {
    if (name.includes('.q_proj.')) return Number(config.num_attention_heads);
    return name.includes('.k_proj.') ? Number(config.num_key_value_heads) : undefined;
  },
};

const qwen2: GgufFamily = {
  names: llamaNames,
  settings: rotary,
  config: (of) => ({
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    ...rotaryConfig(of),
    attention_bias: false,
  }),
  takesBias: (module) => /\.self_attn\.[qkv]_proj$/.test(module),
};

const gpt2: GgufFamily = {
  names: gpt2Names,
  settings: ['attention.layer_norm_epsilon'],
  config: ({ need, vocabulary, ...of }) => ({
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: vocabulary,
    n_embd: need('embedding_length'),
    n_inner: need('feed_forward_length'),
    n_layer: need('block_count'),
    n_head: need('attention.head_count'),
    n_positions: need('context_length'),
    activation_function: 'gelu_new',
    layer_norm_epsilon: need('attention.layer_norm_epsilon'),
    tie_word_embeddings: isTied(of),
  }),
  takesBias: (module) => module !== 'lm_head' && !/\.w[tp]e$/.test(module),
  isTransposed: (name) => /\.(c_attn|c_proj|c_fc)\.weight$/.test(name),
};

/** Every family that can be read, by `general.architecture`: a line each. */
export const ggufFamilies: Readonly<Record<string, GgufFamily>> = { llama, qwen2, gpt2 };
