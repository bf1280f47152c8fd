import * as z from 'zod';
import { usageError } from '../../errors.js';
import { permutation, randomStream } from '../../random.js';
import { trainSchema } from '../../settings/config.js';

const choices = z.array(z.union([z.string(), z.number(), z.boolean()])).min(2);
const interval = z.strictObject({
  min: z.number(),
  max: z.number(),
  scale: z.enum(['linear', 'log']).default('linear'),
});

/** Settings that are drawn for each trial, and how trials are weeded out. */
export const tuneSchema = z.strictObject({
  /** Draws for each method. */
  trials: z.int().min(2),
  /** One in so many goes on from a round to the next, with runs so many times as long; 1: one round of whole runs. */
  factor: z.int().positive().default(3),
  /** What is drawn: of each setting a list, or the ends of an interval. */
  ranges: z.record(z.string(), z.union([choices, interval])),
});
export type TuneConfig = z.output<typeof tuneSchema>;
type Range = TuneConfig['ranges'][string];

/** Values of settings, by name. */
export type Drawn = Readonly<Record<string, unknown>>;

/** One round of trials. */
export interface Round {
  /** Candidates that take part, the best of the round before. */
  readonly count: number;
  /** Length of their runs, as a share of a whole one. */
  readonly share: number;
}

/**
 * Rounds of successive halving (arXiv 1502.07943): all candidates get a short run, the best one in `factor` one that is
 * `factor` times as long, and so on to whole runs. A round of one candidate has nothing to choose and is left out.
 */
export function roundsOf(candidates: number, factor: number): Round[] {
  if (candidates < 2) return [];
  if (factor === 1) return [{ count: candidates, share: 1 }];
  const counts: number[] = [];
  for (let count = candidates; count >= 1; count = Math.floor(count / factor)) counts.push(count);
  const rounds = counts.map((count, round): Round => ({ count, share: factor ** (round - counts.length + 1) }));
  return rounds.filter(({ count }) => count > 1);
}

/**
 * The draws of a comparison: a Latin hypercube (McKay, Beckman and Conover 1979), so that each setting by itself is spread
 * evenly over its range, on its scale, however few trials there are. They depend on the seed and the names of the settings.
 */
export function drawn({ trials, ranges }: TuneConfig, seed: number): Drawn[] {
  const columns = Object.entries(ranges).map(([key, range]): [string, readonly unknown[]] => {
    const stream = randomStream(seed, 'tune', key);
    const places = permutation(trials, stream);
    return [key, Array.from(places, (place) => valueAt(key, range, (place + stream.uniform()) / trials))];
  });
  return Array.from({ length: trials }, (_, i) => Object.fromEntries(columns.map(([key, values]) => [key, values[i]])));
}

/** @param share from 0 to 1 of the way through the range */
function valueAt(key: string, range: Range, share: number): unknown {
  if (Array.isArray(range)) return range[Math.min(range.length - 1, Math.floor(share * range.length))];
  const { min, max, scale } = range;
  if (isWhole(key)) {
    // Each whole number has as much of the way as the others.
    const value = scale === 'log' ? min * ((max + 1) / min) ** share : min + share * (max + 1 - min);
    return Math.min(max, Math.floor(value));
  }
  const value = scale === 'log' ? min * (max / min) ** share : min + share * (max - min);
  return Number(value.toPrecision(3));
}

/** True for a setting that takes whole numbers alone. */
function isWhole(key: string): boolean {
  const rule = (trainSchema.shape as Readonly<Record<string, z.ZodType>>)[key]!;
  return rule.safeParse(2).success && !rule.safeParse(1.5).success;
}

/** @throws DiffoError (usage) that names the range that nothing can be drawn from */
export function checkRanges({ ranges }: TuneConfig, where: string): void {
  if (Object.keys(ranges).length === 0) throw usageError(`${where}: ranges is empty: name what is to be drawn.`);
  for (const [key, range] of Object.entries(ranges)) {
    if (Array.isArray(range)) {
      if (new Set(range).size < range.length) throw usageError(`${where}.${key}: a value stands there twice.`);
      continue;
    }
    const { min, max, scale } = range;
    if (min >= max) throw usageError(`${where}.${key}: min ${min} is not below max ${max}.`);
    if (scale === 'log' && min <= 0) throw usageError(`${where}.${key}: a log scale has no min ${min}; it is above 0.`);
    if (isWhole(key) && !(Number.isInteger(min) && Number.isInteger(max))) {
      throw usageError(`${where}.${key}: ${min} to ${max}: the setting takes whole numbers.`);
    }
  }
}
