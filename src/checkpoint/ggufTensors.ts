import type { GgufConfig } from './ggufModel.js';

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
 * Heads whose rows llama.cpp stores in another order (rotary pairs next to each other), by Hugging Face name: weights and
 * biases of LLaMA's queries and keys (convert_hf_to_gguf.py, `LlamaModel.permute`). Undefined where rows are as they
 * should be.
 */
export function permutedHeads(name: string, config: GgufConfig): number | undefined {
  if (config.model_type !== 'llama') return undefined;
  if (name.includes('.q_proj.')) return config.num_attention_heads;
  return name.includes('.k_proj.') ? config.num_key_value_heads : undefined;
}

/** Undoes that order: of each head, rows (pair, half) become (half, pair). @param data [rows, columns], or a bias [rows] */
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

/** True where the architecture has a place for a tensor, by its Hugging Face name. */
export function hasPlace(name: string, config: GgufConfig): boolean {
  const layer = /^model\.layers\.(\d+)\./.exec(name)?.[1];
  if (layer !== undefined && Number(layer) >= config.num_hidden_layers) return false;
  return !name.endsWith('.bias') || takesBias(name.slice(0, -'.bias'.length), config);
}

/** True for a module that has a bias in the architecture. */
export function takesBias(module: string, config: GgufConfig): boolean {
  if (config.model_type === 'qwen2') return /\.self_attn\.[qkv]_proj$/.test(module);
  if (/\.self_attn\.[qkvo]_proj$/.test(module)) return config.attention_bias;
  return /\.mlp\.\w+_proj$/.test(module) && config.mlp_bias === true;
}
