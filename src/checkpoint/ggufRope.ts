import { DiffoError } from '../errors.js';
import type { GgufValue } from './gguf.js';

/** What a GGUF file says of rotary embeddings beside their base. */
export interface GgufRope {
  readonly file: string;
  /** Longest sequence that the model was trained for. */
  readonly context: number;
  /** Value of `<architecture>.rope.<key>`. */
  readonly setting: (key: string) => GgufValue | undefined;
  /** Divisors of the rotary frequencies, where the file has them as a tensor. */
  readonly factors: Float32Array | undefined;
}

/**
 * `rope_scaling` of config.json, as llama.cpp reads the settings (llama-model.cpp, `load_hparams`): without a type the
 * scaling is linear, and `rope.scale_linear` is the older name of the factor.
 * @throws DiffoError for a scaling that has no counterpart, by its key
 */
export function ggufRopeScaling({ file, context, setting, factors }: GgufRope): object | null {
  const number = (key: string) => numberOf(setting(key));
  const type = String(setting('scaling.type') ?? 'linear');
  const factor = number('scaling.factor') ?? number('scale_linear') ?? 0;
  const scales = type !== 'none' && factor !== 0 && factor !== 1;
  const attention = number('scaling.attn_factor') ?? 1;
  const refuse = (key: string, value: unknown) =>
    new DiffoError(
      `${file}: rope.${key} ${String(value)} is not supported${factors === undefined ? '' : ' beside rope_freqs.weight'}. ` +
        'Take the model in safetensors.',
    );
  for (const [key, usual] of Object.entries(unscaled)) {
    if ((number(key) ?? usual) !== usual) throw refuse(key, number(key));
  }
  if (type !== 'yarn' && factors === undefined && attention !== 1) throw refuse('scaling.attn_factor', attention);
  if (factors !== undefined) {
    if (scales) throw refuse('scaling.factor', factor);
    // The same divisors at every length is what LongRoPE does when its two sets are one.
    const divisors = Array.from(factors);
    return {
      rope_type: 'longrope',
      short_factor: divisors,
      long_factor: divisors,
      attention_factor: attention,
      factor: 1,
    };
  }
  if (!['none', 'linear', 'yarn'].includes(type)) throw refuse('scaling.type', type);
  if (!scales) return null;
  if (type === 'linear') return { rope_type: type, factor };
  return {
    rope_type: type,
    factor,
    original_max_position_embeddings: number('scaling.original_context_length') ?? context,
    attention_factor: attention * (1 + 0.1 * Math.log(factor)),
    ...(number('scaling.yarn_beta_fast') === undefined ? {} : { beta_fast: number('scaling.yarn_beta_fast') }),
    ...(number('scaling.yarn_beta_slow') === undefined ? {} : { beta_slow: number('scaling.yarn_beta_slow') }),
  };
}

/** Settings that have no counterpart in config.json, with the value at which they change nothing. */
const unscaled: Readonly<Record<string, number>> = {
  'scaling.yarn_log_multiplier': 0,
  'scaling.yarn_ext_factor': 1,
  'scaling.yarn_attn_factor': 1,
};

/** The settings that are read here, without `<architecture>.rope.`. */
export const ropeKeys: readonly string[] = [
  'scaling.type',
  'scaling.factor',
  'scaling.attn_factor',
  'scaling.original_context_length',
  'scaling.yarn_beta_fast',
  'scaling.yarn_beta_slow',
  'scale_linear',
  ...Object.keys(unscaled),
];

export function numberOf(value: GgufValue | undefined): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : undefined;
}
