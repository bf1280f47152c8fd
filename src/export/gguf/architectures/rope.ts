import * as z from 'zod';
import { refuse } from '../refusal.js';
import { float32, type GgufMetadata, text, uint32 } from '../values.js';

const number = z.number().positive();
const parametersSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: number.optional(),
  factor: number.nullish(),
  attention_factor: number.nullish(),
  partial_rotary_factor: number.nullish(),
  original_max_position_embeddings: number.nullish(),
  low_freq_factor: number.optional(),
  high_freq_factor: number.optional(),
  beta_fast: number.nullish(),
  beta_slow: number.nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().optional(),
  short_factor: z.array(number).optional(),
  long_factor: z.array(number).optional(),
});

const configSchema = z.object({
  max_position_embeddings: number.default(2048),
  original_max_position_embeddings: number.nullish(),
  rope_theta: number.nullish(),
  rope_scaling: parametersSchema.nullish(),
  rope_parameters: parametersSchema.nullish(),
  partial_rotary_factor: number.nullish(),
});

interface Setting extends z.infer<typeof parametersSchema> {
  readonly theta: number;
  readonly headSize: number;
  readonly maxPositions: number;
  readonly original: number;
}

/** Rotary positions as llama.cpp is told of them. */
export interface Rope {
  /** Keys below `ARCHITECTURE.rope.`. */
  readonly keys: GgufMetadata;
  /** Divisors of the frequencies, [headSize / 2], where they differ (`rope_freqs.weight`). */
  readonly divisors?: Float32Array | undefined;
  /** Up to which length both compute the same. */
  readonly length: number;
}

/** Kinds of scaling (transformers/modeling_rope_utils.py) that llama.cpp computes too. */
const kinds: Readonly<Record<string, (setting: Setting) => Partial<Rope>>> = {
  default: () => ({}),
  // The same as the default, up to the length from which it is dynamic.
  dynamic: ({ maxPositions }) => ({ length: maxPositions }),
  linear: ({ factor }) => ({ keys: { 'scaling.type': text('linear'), 'scaling.factor': float32(needed(factor)) } }),
  yarn,
  longrope,
  llama3,
};

/**
 * The rotary settings of a config.json.
 * @throws Refusal for one that llama.cpp has not
 */
export function ropeOf(config: Readonly<Record<string, unknown>>, headSize: number): Rope {
  const { rope_scaling: scaling, rope_parameters: parameters, ...rest } = configSchema.parse(config);
  const own = (scaling && Object.keys(scaling).length > 0 ? scaling : parameters) ?? {};
  const partial = own.partial_rotary_factor ?? rest.partial_rotary_factor ?? 1;
  if (partial !== 1) refuse(`partial_rotary_factor of its config.json is ${partial}, which llama.cpp has not for it`);
  const kind = own.rope_type ?? own.type ?? 'default';
  const make = Object.hasOwn(kinds, kind) ? kinds[kind]! : undefined;
  if (make === undefined) refuse(`its config.json has the rope type "${kind}", which llama.cpp has not`);
  const maxPositions = rest.max_position_embeddings;
  const original = rest.original_max_position_embeddings ?? own.original_max_position_embeddings ?? maxPositions;
  const theta = own.rope_theta ?? rest.rope_theta ?? 10_000;
  const { keys = {}, divisors, length = maxPositions } = make({ ...own, theta, headSize, maxPositions, original });
  return { keys: { dimension_count: uint32(headSize), freq_base: float32(theta), ...keys }, divisors, length };
}

/** YaRN: llama.cpp multiplies cos and sin by 1 + 0.1 log(factor) itself (rope_yarn of ggml), so that the rest alone is said. */
function yarn(setting: Setting): Partial<Rope> {
  const { maxPositions, original, beta_fast: fast, beta_slow: slow, mscale, mscale_all_dim: mscaleAll } = setting;
  if (setting.truncate === false) refuse('its YaRN has truncate false, which llama.cpp has not');
  const factor = setting.factor ?? maxPositions / original;
  const scaleOf = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const usual = mscale && mscaleAll ? scaleOf(mscale) / scaleOf(mscaleAll) : scaleOf(1);
  const attention = (setting.attention_factor ?? usual) / (1 + 0.1 * Math.log(factor));
  return {
    keys: {
      'scaling.type': text('yarn'),
      'scaling.factor': float32(factor),
      'scaling.original_context_length': uint32(original),
      ...(fast == null ? {} : { 'scaling.yarn_beta_fast': float32(fast) }),
      ...(slow == null ? {} : { 'scaling.yarn_beta_slow': float32(slow) }),
      ...attentionKey(attention),
    },
  };
}

/** One set of divisors for all lengths, or the one for short texts and no longer ones: llama.cpp chooses by its context's size. */
function longrope(setting: Setting): Partial<Rope> {
  const { short_factor: short, long_factor: long, maxPositions, original, headSize } = setting;
  if (short?.length !== headSize / 2 || long?.length !== headSize / 2)
    refuse('its LongRoPE has no factor for each frequency');
  const factor = setting.factor ?? maxPositions / original;
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  const same = short.every((one, i) => one === long[i]);
  return {
    keys: attentionKey(setting.attention_factor ?? usual),
    divisors: Float32Array.from(short),
    length: same ? maxPositions : Math.min(original, maxPositions),
  };
}

/** LLaMA 3.1: what its frequencies are divided by. */
function llama3({
  theta,
  headSize,
  original,
  factor,
  low_freq_factor: low,
  high_freq_factor: high,
}: Setting): Partial<Rope> {
  const [by, lowest, highest] = [needed(factor), needed(low), needed(high)];
  const divisors = Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headSize);
    if (wavelength < original / highest) return 1;
    if (wavelength > original / lowest) return by;
    const smooth = (original / wavelength - lowest) / (highest - lowest);
    return 1 / ((1 - smooth) / by + smooth);
  });
  return { divisors };
}

/** What cos and sin are multiplied by. */
function attentionKey(factor: number): GgufMetadata {
  return Math.abs(factor - 1) < 1e-6 ? {} : { 'scaling.attn_factor': float32(factor) };
}

function needed(value: number | null | undefined): number {
  return value ?? refuse('its rope settings in config.json lack a number');
}
