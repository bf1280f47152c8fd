import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { isJsonObject } from '../files/jsonText.js';
import { constant, ops, type Tensor } from '../graph/index.js';
import { configError, rowCount } from './config.js';

/** `rope_parameters` of transformers 5, or `rope_scaling` with `rope_theta` of older versions. */
export const rotaryParameters = z.looseObject({
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
type Parameters = z.infer<typeof rotaryParameters>;

/** `rope_parameters` where layers that see everything and layers with a window have settings of their own. */
export const rotaryParametersByType = z.strictObject({
  full_attention: rotaryParameters.nullish(),
  sliding_attention: rotaryParameters.nullish(),
});

/** The keys of config.json that rotary embeddings read. */
export const rotaryConfigShape = {
  max_position_embeddings: rowCount.default(2048),
  original_max_position_embeddings: z.int().positive().nullish(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: rotaryParameters.nullish(),
  rope_parameters: rotaryParameters.nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
};
export type RotaryConfig = z.infer<z.ZodObject<typeof rotaryConfigShape>>;

/**
 * cos and sin of every position, scaled where the method scales attention: [seq, headSize/2] each, or [batch, 1, seq,
 * headSize/2] where they depend on the text.
 */
export interface RotaryTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

export interface Rotary {
  /** Longest sequence that the settings are made for. */
  readonly maxLength: number;
  /** True where the frequencies follow from the length of a text (dynamic, LongRoPE). */
  readonly dependsOnLength: boolean;
  /**
   * @param positions int64 [seq], or [batch, seq] where each sequence has its own
   * @param lengths of the whole texts, float32: a number for all, or [batch] where they differ and matter. transformers
   *   takes the longest of a batch, so that what it says of a text depends on those beside it; here it does not
   */
  tables(positions: Tensor, lengths: Tensor): RotaryTables;
}

/** Inverse frequencies as a constant, or as they follow from the length of a text, and the factor on cos and sin. */
interface Frequencies {
  /** Of a length, [] or [batch, 1, 1, 1], to [headSize/2], with the axes of the length before it. */
  readonly inverse: ((length: Tensor) => Tensor) | Tensor;
  readonly attentionFactor: number;
  readonly maxLength?: number;
}

interface Setting {
  readonly parameters: Parameters;
  /** Share of a head that is turned. */
  readonly partial: number;
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
  proportional,
  dynamic,
  yarn,
  longrope,
  llama3,
};

/**
 * Reads the rotary settings of a config.json.
 * @throws DiffoError for a kind that is not known or a number that is missing
 */
export function rotaryOf(config: RotaryConfig, headSize: number, checkpoint: Pick<Checkpoint, 'folder'>): Rotary {
  const parameters = parametersOf(config);
  const layered = Object.keys(parameters).find((key) => isJsonObject(parameters[key]));
  if (layered !== undefined) {
    throw configError(checkpoint, `rope_parameters.${layered}: layers with positions of their own are not built.`);
  }
  const kind = parameters.rope_type ?? parameters.type ?? 'default';
  const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  const known = Object.keys(kinds).join(', ');
  if (make === undefined) throw configError(checkpoint, `rope type "${kind}" is not known; known are ${known}.`);
  const partial = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  if (partial !== 1 && !readsPartial.has(kind)) {
    throw configError(checkpoint, `partial_rotary_factor ${partial} is not supported with rope type "${kind}".`);
  }
  const maxPositions = config.max_position_embeddings;
  const frequencies = make({
    parameters,
    partial,
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
  const { inverse, attentionFactor } = frequencies;
  return {
    maxLength: frequencies.maxLength ?? maxPositions,
    dependsOnLength: typeof inverse === 'function',
    tables(positions, lengths) {
      const [seq, ...texts] = positions.shape.toReversed();
      const column = ops.reshape(ops.cast(positions, 'float32'), [...texts.flatMap((batch) => [batch, 1]), seq!, 1]);
      const perRow = lengths.shape.length === 1 ? ops.reshape(lengths, [lengths.shape[0]!, 1, 1, 1]) : lengths;
      const angles = ops.mul(column, typeof inverse === 'function' ? inverse(perRow) : inverse);
      return { cos: ops.scale(ops.cos(angles), attentionFactor), sin: ops.scale(ops.sin(angles), attentionFactor) };
    },
  };
}

/** transformers takes `rope_scaling` first, unless it is empty. */
function parametersOf({ rope_scaling: scaling, rope_parameters: parameters }: RotaryConfig): Parameters {
  return scaling && Object.keys(scaling).length > 0 ? scaling : (parameters ?? {});
}

/** Kinds in whose code a factor that is not 1 does nothing, or what it is for. */
const readsPartial: ReadonlySet<string> = new Set(['default', 'proportional']);

/** x [batch, heads, seq, headSize] turned by its positions; where there are angles for its start alone, the rest is as it is. */
export function turned(x: Tensor, { cos, sin }: RotaryTables): Tensor {
  const [headSize, half] = [x.shape[3] as number, cos.shape.at(-1) as number];
  const part = (start: number, length: number) => ops.slice(x, { axis: 3, start, length });
  if (cos.shape.length === 2 && headSize === 2 * half) return ops.rotary(x, cos, sin);
  const [first, second] = [part(0, half), part(half, half)];
  const rest = headSize === 2 * half ? [] : [part(2 * half, headSize - 2 * half)];
  return ops.concat(
    [ops.sub(ops.mul(first, cos), ops.mul(second, sin)), ops.add(ops.mul(second, cos), ops.mul(first, sin)), ...rest],
    3,
  );
}

/** 1 / θ^(2i/d), rounded at every step as float32 arithmetic does. */
function plainFrequencies(theta: number, headSize: number): Float32Array {
  return Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const power = Math.fround(Math.fround(theta) ** Math.fround((2 * i) / headSize));
    return 1 / power;
  });
}

function fixed(frequencies: Float32Array, attentionFactor = 1): Frequencies {
  return { inverse: constant(frequencies, [frequencies.length]), attentionFactor };
}

/** The first part of the frequencies as they are, and none of the rest: what they turn stays where it is. */
function proportional({ theta, headSize, partial, parameters }: Setting): Frequencies {
  const factor = parameters.factor ?? 1;
  const angles = Math.floor((partial * headSize) / 2);
  return fixed(plainFrequencies(theta, headSize).map((frequency, i) => (i < angles ? frequency / factor : 0)));
}

/** NTK scaling by the length of the text: θ grows once it is longer than max_position_embeddings. */
function dynamic({ theta, headSize, maxPositions, need }: Setting): Frequencies {
  const factor = need('factor');
  const plain = constant(plainFrequencies(theta, headSize), [headSize / 2]);
  const exponents = Float32Array.from({ length: headSize / 2 }, (_, i) => (-2 * i) / headSize);
  return {
    attentionFactor: 1,
    maxLength: Math.floor(maxPositions * factor),
    inverse(length) {
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
  const attentionFactor = parameters.attention_factor ?? usual;
  const scaled = (factors: readonly number[]) => plain.map((frequency, i) => frequency / factors[i]!);
  const [ofShort, ofLong] = [scaled(short!), scaled(long!)];
  if (ofShort.every((frequency, i) => frequency === ofLong[i])) return fixed(ofShort, attentionFactor);
  const [near, far] = [constant(ofShort, [headSize / 2]), constant(ofLong, [headSize / 2])];
  return {
    attentionFactor,
    inverse: (length) => ops.where(ops.greater(length, constant(original)), far, near),
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
