import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { constant, type Dim, ops, type Tensor } from '../graph/index.js';
import { configError, rowCount } from './config.js';

/** `rope_parameters` of transformers 5, or `rope_scaling` with `rope_theta` of older versions. */
const parametersSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().nullish(),
  attention_factor: z.number().positive().nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  original_max_position_embeddings: z.int().positive().nullish(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  beta_fast: z.number().positive().nullish(),
  beta_slow: z.number().positive().nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().optional(),
  short_factor: z.array(z.number().positive()).optional(),
  long_factor: z.array(z.number().positive()).optional(),
});
type Parameters = z.infer<typeof parametersSchema>;

/** The keys of config.json that rotary embeddings read. */
export const rotaryConfigShape = {
  max_position_embeddings: rowCount.default(2048),
  original_max_position_embeddings: z.int().positive().nullish(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: parametersSchema.nullish(),
  rope_parameters: parametersSchema.nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
};
const configSchema = z.object(rotaryConfigShape);
type Config = z.infer<typeof configSchema>;

/** cos and sin of every position, [seq, headSize/2] each, scaled where the method scales attention. */
export interface RotaryTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

export interface Rotary {
  /** Longest sequence that the settings are made for. */
  readonly maxLength: number;
  /**
   * @param positions int64 [seq]
   * @param total length of the whole sequence, which some scalings depend on (transformers recomputes them as a text
   *   grows and leaves the keys in the cache as they are; so do these)
   */
  tables(positions: Tensor, total: Dim): RotaryTables;
}

/** Inverse frequencies as a constant, or as they follow from the length of the sequence, and the factor on cos and sin. */
interface Frequencies {
  readonly inverse: (total: Dim) => Tensor;
  readonly attentionFactor: number;
  readonly maxLength?: number;
}

interface Setting {
  readonly parameters: Parameters;
  readonly theta: number;
  readonly headSize: number;
  readonly maxPositions: number;
  readonly original: number;
  /** @throws DiffoError when the setting lacks a number that its kind needs */
  need(key: keyof Parameters): number;
}

/** The scalings of transformers/modeling_rope_utils.py by `rope_type`. */
const kinds: Readonly<Record<string, (setting: Setting) => Frequencies>> = {
  default: ({ theta, headSize }) => fixed(plainFrequencies(theta, headSize)),
  linear: ({ theta, headSize, need }) => {
    const factor = need('factor');
    return fixed(plainFrequencies(theta, headSize).map((frequency) => Math.fround(frequency / factor)));
  },
  dynamic,
  yarn,
  longrope,
  llama3,
};

/**
 * Reads the rotary settings of a config.json.
 * @throws DiffoError for a kind that is not known or a number that is missing
 */
export function rotaryOf(config: Config, headSize: number, checkpoint: Checkpoint): Rotary {
  const parameters: Parameters = config.rope_parameters ?? config.rope_scaling ?? {};
  const kind = parameters.rope_type ?? parameters.type ?? 'default';
  const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  const known = Object.keys(kinds).join(', ');
  if (make === undefined) throw configError(checkpoint, `rope type "${kind}" is not known; known are ${known}.`);
  const partial = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  if (partial !== 1) throw configError(checkpoint, `partial_rotary_factor ${partial} is not supported.`);
  const maxPositions = config.max_position_embeddings;
  const frequencies = make({
    parameters,
    theta: parameters.rope_theta ?? config.rope_theta ?? 10_000,
    headSize,
    maxPositions,
    original: config.original_max_position_embeddings ?? parameters.original_max_position_embeddings ?? maxPositions,
    need(key) {
      const value = parameters[key];
      if (typeof value === 'number') return value;
      throw configError(checkpoint, `rope type "${kind}" needs "${String(key)}".`);
    },
  });
  return {
    maxLength: frequencies.maxLength ?? maxPositions,
    tables(positions, total) {
      const seq = positions.shape[0]!;
      const column = ops.reshape(ops.cast(positions, 'float32'), [seq, 1]);
      const angles = ops.mul(column, ops.reshape(frequencies.inverse(total), [1, headSize / 2]));
      const { attentionFactor } = frequencies;
      return { cos: ops.scale(ops.cos(angles), attentionFactor), sin: ops.scale(ops.sin(angles), attentionFactor) };
    },
  };
}

/** 1 / θ^(2i/d), rounded at every step as float32 arithmetic does. */
function plainFrequencies(theta: number, headSize: number): Float32Array {
  return Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const power = Math.fround(Math.fround(theta) ** Math.fround((2 * i) / headSize));
    return 1 / power;
  });
}

function fixed(frequencies: Float32Array, attentionFactor = 1): Frequencies {
  const inverse = constant(frequencies, [frequencies.length]);
  return { inverse: () => inverse, attentionFactor };
}

/** NTK scaling by the length of the sequence: θ grows once it is longer than max_position_embeddings. */
function dynamic({ theta, headSize, maxPositions, need }: Setting): Frequencies {
  const factor = need('factor');
  const plain = constant(plainFrequencies(theta, headSize), [headSize / 2]);
  const exponents = Float32Array.from({ length: headSize / 2 }, (_, i) => (-2 * i) / headSize);
  return {
    attentionFactor: 1,
    maxLength: Math.floor(maxPositions * factor),
    inverse(total) {
      const length = ops.size(total);
      const stretched = ops.sub(ops.scale(length, factor / maxPositions), constant(factor - 1));
      // Below max_position_embeddings the logarithm may not exist; that branch is not taken.
      const safe = ops.where(ops.greater(stretched, constant(1)), stretched, constant(1));
      const growth = ops.scale(ops.log(safe), headSize / (headSize - 2));
      const grown = ops.mul(plain, ops.exp(ops.mul(growth, constant(exponents, [headSize / 2]))));
      return ops.where(ops.greater(length, constant(maxPositions)), grown, plain);
    },
  };
}

/** YaRN (arXiv 2309.00071): high frequencies as they are, low ones interpolated, a ramp between. */
function yarn({ parameters, theta, headSize, maxPositions, original }: Setting): Frequencies {
  const factor = parameters.factor ?? maxPositions / original;
  const scaleOf = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const { mscale, mscale_all_dim: mscaleAll } = parameters;
  const attentionFactor =
    parameters.attention_factor ?? (mscale && mscaleAll ? scaleOf(mscale) / scaleOf(mscaleAll) : scaleOf(1));
  const dimensionOf = (rotations: number) =>
    (headSize * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const truncate = parameters.truncate ?? true;
  const [first, last] = [dimensionOf(parameters.beta_fast ?? 32), dimensionOf(parameters.beta_slow ?? 1)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, headSize - 1);
  const width = low === high ? 0.001 : high - low;
  const plain = plainFrequencies(theta, headSize);
  return fixed(
    plain.map((frequency, i) => {
      const ramp = Math.min(1, Math.max(0, (i - low) / width));
      return (frequency / factor) * ramp + frequency * (1 - ramp);
    }),
    attentionFactor,
  );
}

/** LongRoPE (arXiv 2402.13753): one set of factors up to the original length, another beyond. */
function longrope({ parameters, theta, headSize, maxPositions, original, need }: Setting): Frequencies {
  const { short_factor: short, long_factor: long } = parameters;
  if (short?.length !== headSize / 2) need('short_factor');
  if (long?.length !== headSize / 2) need('long_factor');
  const factor = parameters.factor ?? maxPositions / original;
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  const plain = plainFrequencies(theta, headSize);
  const scaled = (factors: readonly number[]) =>
    constant(
      plain.map((frequency, i) => frequency / factors[i]!),
      [headSize / 2],
    );
  const [ofShort, ofLong] = [scaled(short!), scaled(long!)];
  return {
    attentionFactor: parameters.attention_factor ?? usual,
    inverse: (total) => ops.where(ops.greater(ops.size(total), constant(original)), ofLong, ofShort),
  };
}

/** LLaMA 3.1: low frequencies divided by `factor`, a smooth passage to the high ones. */
function llama3({ theta, headSize, original, need }: Setting): Frequencies {
  const [factor, low, high] = [need('factor'), need('low_freq_factor'), need('high_freq_factor')];
  return fixed(
    plainFrequencies(theta, headSize).map((frequency) => {
      const wavelength = (2 * Math.PI) / frequency;
      if (wavelength < original / high) return frequency;
      if (wavelength > original / low) return frequency / factor;
      const smooth = (original / wavelength - low) / (high - low);
      return ((1 - smooth) * frequency) / factor + smooth * frequency;
    }),
  );
}
