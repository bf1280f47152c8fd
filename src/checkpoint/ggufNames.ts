/** llama.cpp's names of a family's modules (gguf-py/gguf/constants.py), by transformers' paths. */
export interface GgufNames {
  /** What the path of a layer begins with, before its number. */
  readonly layers: string;
  /** Modules that stand in no layer, by path. */
  readonly outside: Readonly<Record<string, string>>;
  /** Modules of a layer, by the path within it. */
  readonly inside: Readonly<Record<string, string>>;
}

/** LLaMA and its relatives. */
export const llamaNames: GgufNames = {
  layers: 'model.layers.',
  outside: { 'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', lm_head: 'output' },
  inside: {
    input_layernorm: 'attn_norm',
    post_attention_layernorm: 'ffn_norm',
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
  },
};

export const gpt2Names: GgufNames = {
  layers: 'transformer.h.',
  outside: {
    'transformer.wte': 'token_embd',
    'transformer.wpe': 'position_embd',
    'transformer.ln_f': 'output_norm',
    lm_head: 'output',
  },
  inside: {
    ln_1: 'attn_norm',
    ln_2: 'ffn_norm',
    'attn.c_attn': 'attn_qkv',
    'attn.c_proj': 'attn_output',
    'mlp.c_fc': 'ffn_up',
    'mlp.c_proj': 'ffn_down',
  },
};

/** llama.cpp's name of a tensor; undefined for one that it has not. */
export function ggufName(name: string, { layers, outside, inside }: GgufNames): string | undefined {
  const dot = name.lastIndexOf('.');
  const [path, kind] = [name.slice(0, dot), name.slice(dot + 1)];
  const layer = path.startsWith(layers) ? /^(\d+)\.(.+)$/.exec(path.slice(layers.length)) : null;
  const found = layer === null ? outside[path] : inside[layer[2]!];
  if (found === undefined) return undefined;
  return layer === null ? `${found}.${kind}` : `blk.${layer[1]}.${found}.${kind}`;
}

/** transformers' name of a tensor; undefined for one that it has not. */
export function huggingFaceName(name: string, { layers, outside, inside }: GgufNames): string | undefined {
  const match = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name);
  if (match === null) return undefined;
  const [, layer, module, kind] = match;
  const table = layer === undefined ? outside : inside;
  const path = Object.keys(table).find((one) => table[one] === module);
  if (path === undefined) return undefined;
  return layer === undefined ? `${path}.${kind}` : `${layers}${layer}.${path}.${kind}`;
}
