import { describe, expect, it } from 'vitest';
import { openModel } from '../../src/models/registry.js';
import { configOnly } from './configOnly.js';

/** What the family's own code wrote, before transformers had it: the sizes of transformers' defaults under other names. */
const own = {
  model_type: 'nomic_bert',
  activation_function: 'swiglu',
  causal: false,
  layer_norm_epsilon: 1e-12,
  mlp_fc1_bias: false,
  mlp_fc2_bias: false,
  n_embd: 768,
  n_head: 12,
  n_inner: 3072,
  n_layer: 12,
  n_positions: 8192,
  parallel_block: false,
  prenorm: false,
  qkv_proj_bias: false,
  rotary_emb_base: 1000,
  rotary_emb_fraction: 1,
  rotary_emb_interleaved: false,
  rotary_scaling_factor: null,
  use_rms_norm: false,
  vocab_size: 30_528,
};
const open = (changes: object) => {
  const config = { ...own, ...changes };
  return () => openModel(configOnly(config), { numLabels: 2 });
};

describe("a config.json of NomicBERT's own code", () => {
  it('is read where it says what transformers takes: the weights alone are missing', () => {
    expect(open({})).toThrow(
      /^m: the weights do not fit config\.json: nomic_bert\.embeddings\.word_embeddings\.weight/,
    );
    expect(open({ n_layer: 6, num_hidden_layers: 6 })).toThrow(/^m: the weights do not fit/);
  });

  it.each([
    [{ n_layer: 6 }, 'n_layer 6', 'Say it as num_hidden_layers'],
    [{ n_embd: 512 }, 'n_embd 512', 'Say it as hidden_size'],
    [{ rotary_emb_base: 10_000 }, 'rotary_emb_base 10000', 'Say it as rope_theta'],
    [{ qkv_proj_bias: true }, 'qkv_proj_bias true', 'so that the result would be another'],
    [{ rotary_scaling_factor: 2 }, 'rotary_scaling_factor 2', 'so that the result would be another'],
    [{ num_experts: 8 }, 'num_experts 8', 'so that the result would be another'],
    [{ activation_function: 'gelu' }, 'activation_function "gelu"', 'so that the result would be another'],
  ])('is refused by the key where transformers takes another value: %o', (changes, key, cure) => {
    expect(open(changes)).toThrow(`m/config.json: ${key} is not supported: `);
    expect(open(changes)).toThrow(`${cure}.`);
  });
});
