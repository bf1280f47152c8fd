import { describe, expect, it } from 'vitest';
import type { GgufFile, GgufValue } from '../../src/checkpoint/gguf.js';
import { ggufModel } from '../../src/checkpoint/ggufModel.js';

const usual: Readonly<Record<string, GgufValue>> = {
  'general.architecture': 'llama',
  'llama.context_length': 64,
  'llama.embedding_length': 32,
  'llama.block_count': 1,
  'llama.feed_forward_length': 64,
  'llama.attention.head_count': 4,
  'llama.attention.layer_norm_rms_epsilon': 1e-5,
};
const embeddings = { name: 'token_embd.weight', type: 'F32', shape: [9, 32], offset: 0, length: 9 * 32 * 4 };

/** The config of a file with these settings beside the usual ones. */
function configOf(more: Readonly<Record<string, GgufValue>>, factors?: Float32Array) {
  const gguf: GgufFile = {
    file: 'm.gguf',
    metadata: new Map(Object.entries({ ...usual, ...more })),
    tensors: [embeddings],
  };
  return ggufModel(gguf, factors).config;
}

describe('a setting of a GGUF file that would change the result is refused by name', () => {
  it.each<[Record<string, GgufValue>, string]>([
    [{ 'llama.rope.dimension_count': 4 }, 'the setting "llama.rope.dimension_count", 4, is not supported (it can be 8'],
    [{ 'llama.attention.value_length': 16 }, '"llama.attention.value_length", 16'],
    [{ 'llama.attention.causal': false }, '"llama.attention.causal", false'],
    [{ 'llama.attention.sliding_window': 16 }, '"llama.attention.sliding_window", 16'],
    [{ 'llama.expert_count': 8 }, '"llama.expert_count", 8'],
    [{ 'llama.logit_scale': 0.5 }, '"llama.logit_scale", 0.5'],
    [{ 'llama.vocab_size': 10 }, '"llama.vocab_size", 10, is not supported (it can be 9'],
    [{ 'llama.feed_forward_length': [64, 32] }, '"llama.feed_forward_length" is a list with a number for each layer'],
    [{ 'llama.rope.scaling.type': 'longrope' }, 'rope.scaling.type longrope is not supported'],
    [{ 'llama.rope.scaling.attn_factor': 2 }, 'rope.scaling.attn_factor 2 is not supported'],
    [{ 'llama.rope.scaling.yarn_ext_factor': 0.5 }, 'rope.scaling.yarn_ext_factor 0.5 is not supported'],
    [{ 'general.type': 'adapter' }, 'is no model but a GGUF of the type "adapter"'],
    [{ 'split.count': 3, 'split.no': 1 }, 'is part 2 of 3 of a model. Join the parts'],
    [{ 'general.architecture': 'gemma' }, 'architecture "gemma"'],
    [{ 'general.architecture': 'phi3' }, 'architecture "phi3"'],
  ])('%j', (more, message) => {
    expect(() => configOf(more)).toThrow(message);
  });

  it('but not one with the value that changes nothing', () => {
    const config = configOf({
      'llama.rope.dimension_count': 8,
      'llama.attention.causal': true,
      'llama.expert_count': 0,
      'llama.vocab_size': 9n,
      'llama.rope.scaling.finetuned': false,
      'split.count': 1,
    });
    expect(config).toMatchObject({ vocab_size: 9, rope_scaling: null });
  });
});

// llama.cpp, llama-vocab.cpp: special_eog_ids.
it('ends texts at the end of a turn too, where a GGUF file names its token', () => {
  const key = (name: string) => `tokenizer.ggml.${name}_token_id`;
  expect(configOf({ [key('eos')]: 3, [key('eot')]: 5, [key('eom')]: 3 }).eos_token_id).toEqual([3, 5]);
  expect(configOf({ [key('eos')]: 3 }).eos_token_id).toBe(3);
});

// llama.cpp, llama-model.cpp: load_hparams.
describe('rotary scaling of a GGUF file', () => {
  it.each<[Record<string, GgufValue>, object | null]>([
    [{ 'llama.rope.scaling.factor': 4 }, { rope_type: 'linear', factor: 4 }],
    [{ 'llama.rope.scale_linear': 4 }, { rope_type: 'linear', factor: 4 }],
    [{ 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 4 }, null],
    [{ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 1 }, null],
    [
      {
        'llama.rope.scaling.type': 'yarn',
        'llama.rope.scaling.factor': 4,
        'llama.rope.scaling.attn_factor': 2,
        'llama.rope.scaling.yarn_beta_fast': 16,
      },
      {
        rope_type: 'yarn',
        factor: 4,
        original_max_position_embeddings: 64,
        attention_factor: 2 * (1 + 0.1 * Math.log(4)),
        beta_fast: 16,
      },
    ],
  ])('%j', (more, expected) => {
    expect(configOf(more).rope_scaling).toEqual(expected);
  });

  it('by divisors of the frequencies is at every length the same, with its factor of attention', () => {
    const divisors = [1, 1, 2, 4];
    expect(configOf({ 'llama.rope.scaling.attn_factor': 1.5 }, Float32Array.from(divisors)).rope_scaling).toEqual({
      rope_type: 'longrope',
      short_factor: divisors,
      long_factor: divisors,
      attention_factor: 1.5,
      factor: 1,
    });
  });

  it('is refused beside divisors of the frequencies, of which one alone is applied', () => {
    expect(() => configOf({ 'llama.rope.scaling.factor': 4 }, new Float32Array(4).fill(2))).toThrow(
      'rope.scaling.factor 4 is not supported beside rope_freqs.weight',
    );
  });
});
