import { DiffoError } from '../errors.js';
import type { GgufTokenizerFields } from '../tokenize/convert/index.js';
import type { GgufFile, GgufValue } from './gguf.js';

/** Architectures that can be read, with Hugging Face's model_type. */
const modelTypes: Readonly<Record<string, string>> = { llama: 'llama', qwen2: 'qwen2' };

/** Names of llama.cpp (gguf-py/gguf/constants.py) → Hugging Face's. */
const outside: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};
const inside: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  ffn_norm: 'post_attention_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** Divisors of the rotary frequencies, which LLaMA 3.1 files carry as a tensor. */
export const ropeFactorsName = 'rope_freqs.weight';

/** Hugging Face's name of a tensor; undefined for one that is not known. */
export function huggingFaceName(name: string): string | undefined {
  const match = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name);
  if (match === null) return undefined;
  const [, layer, module, kind] = match;
  const found = layer === undefined ? outside[module!] : inside[module!];
  if (found === undefined) return undefined;
  return layer === undefined ? `${found}.${kind}` : `model.layers.${layer}.${found}.${kind}`;
}

/**
 * Heads whose rows llama.cpp stores in another order (rotary pairs next to each other), by Hugging Face name: LLaMA's
 * queries and keys. Undefined where rows are as they should be.
 */
export function permutedHeads(name: string, config: GgufConfig): number | undefined {
  if (config.model_type !== 'llama' || !name.endsWith('.weight')) return undefined;
  if (name.includes('.q_proj.')) return config.num_attention_heads;
  return name.includes('.k_proj.') ? config.num_key_value_heads : undefined;
}

/** Undoes that order: of each head, rows (pair, half) become (half, pair). @param data [rows, columns] */
export function unpermuted(data: Float32Array, rows: number, heads: number): Float32Array {
  const columns = data.length / rows;
  const pairs = rows / heads / 2;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * pairs));
    const within = row % (2 * pairs);
    const [half, pair] = [Math.floor(within / pairs), within % pairs];
    const from = head * 2 * pairs + pair * 2 + half;
    out.set(data.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return out;
}

/** config.json of a converted GGUF. */
export interface GgufConfig extends Readonly<Record<string, unknown>> {
  readonly model_type: string;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
}

/**
 * config.json from the metadata.
 * @param ropeFactors divisors of the rotary frequencies, where the file has them
 * @throws DiffoError for an architecture that is not known, or metadata that is missing
 */
export function ggufConfig(gguf: GgufFile, ropeFactors: Float32Array | undefined): GgufConfig {
  const { metadata, tensors, file } = gguf;
  const architecture = String(metadata.get('general.architecture'));
  const modelType = Object.hasOwn(modelTypes, architecture) ? modelTypes[architecture] : undefined;
  if (modelType === undefined) {
    const known = Object.keys(modelTypes).join(', ');
    throw new DiffoError(`${file} is of the architecture "${architecture}"; of GGUF files, diffora reads ${known}.`);
  }
  const find = (key: string) => numberOf(metadata.get(`${architecture}.${key}`));
  const need = (key: string) => {
    const value = find(key);
    if (value === undefined) throw new DiffoError(`${file} lacks "${architecture}.${key}". Convert the model again.`);
    return value;
  };
  const heads = need('attention.head_count');
  const vocabulary = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  if (vocabulary === undefined) throw new DiffoError(`${file} has no token embeddings. Download it again.`);
  const context = need('context_length');
  const theta = find('rope.freq_base') ?? 10_000;
  return {
    architectures: [modelType === 'llama' ? 'LlamaForCausalLM' : 'Qwen2ForCausalLM'],
    model_type: modelType,
    vocab_size: vocabulary,
    hidden_size: need('embedding_length'),
    intermediate_size: need('feed_forward_length'),
    num_hidden_layers: need('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: find('attention.head_count_kv') ?? heads,
    ...(find('attention.key_length') === undefined ? {} : { head_dim: find('attention.key_length') }),
    hidden_act: 'silu',
    rms_norm_eps: need('attention.layer_norm_rms_epsilon'),
    max_position_embeddings: context,
    rope_theta: theta,
    rope_scaling: ropeScaling(metadata, architecture, context, ropeFactors),
    tie_word_embeddings: !tensors.some(({ name }) => name === 'output.weight'),
    attention_bias: modelType === 'llama' && tensors.some(({ name }) => name === 'blk.0.attn_q.bias'),
    bos_token_id: numberOf(metadata.get('tokenizer.ggml.bos_token_id')),
    eos_token_id: numberOf(metadata.get('tokenizer.ggml.eos_token_id')),
    pad_token_id: numberOf(metadata.get('tokenizer.ggml.padding_token_id')),
    torch_dtype: 'float32',
  };
}

function ropeScaling(
  metadata: GgufFile['metadata'],
  architecture: string,
  context: number,
  factors: Float32Array | undefined,
): object | null {
  if (factors !== undefined) {
    // The same divisors at every length is what LongRoPE does when its two sets are one.
    const divisors = Array.from(factors);
    return { rope_type: 'longrope', short_factor: divisors, long_factor: divisors, attention_factor: 1, factor: 1 };
  }
  const of = (key: string) => metadata.get(`${architecture}.rope.scaling.${key}`);
  const [type, factor] = [of('type'), numberOf(of('factor'))];
  if (type === undefined || type === 'none' || factor === undefined) return null;
  const original = numberOf(of('original_context_length')) ?? context;
  return { rope_type: String(type), factor, original_max_position_embeddings: original };
}

/** What the metadata says of the tokenizer. @throws DiffoError where it has none */
export function ggufTokenizerFields({ metadata, file }: GgufFile): GgufTokenizerFields {
  const of = (key: string) => metadata.get(`tokenizer.ggml.${key}`);
  const texts = (key: string) => listOf(of(key))?.map(String);
  const numbers = (key: string) => listOf(of(key))?.map(Number);
  const tokens = texts('tokens');
  if (tokens === undefined)
    throw new DiffoError(`${file} has no tokenizer. Convert the model again, with its tokenizer.`);
  const flag = (key: string) => (typeof of(key) === 'boolean' ? (of(key) as boolean) : undefined);
  const template = metadata.get('tokenizer.chat_template');
  return {
    model: String(of('model')),
    tokens,
    scores: numbers('scores'),
    tokenTypes: numbers('token_type'),
    merges: texts('merges'),
    bosTokenId: numberOf(of('bos_token_id')),
    eosTokenId: numberOf(of('eos_token_id')),
    unknownTokenId: numberOf(of('unknown_token_id')),
    paddingTokenId: numberOf(of('padding_token_id')),
    addBosToken: flag('add_bos_token'),
    addEosToken: flag('add_eos_token'),
    addSpacePrefix: flag('add_space_prefix'),
    chatTemplate: typeof template === 'string' ? template : undefined,
  };
}

function numberOf(value: GgufValue | undefined): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : undefined;
}

function listOf(value: GgufValue | undefined): readonly GgufValue[] | undefined {
  return Array.isArray(value) ? (value as readonly GgufValue[]) : undefined;
}
