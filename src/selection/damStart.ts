import { loraB, loraPlan } from '../adapters/methods/lora.js';
import type { Shared } from '../engine/accumulate.js';
import type { BatchStream } from '../engine/batchStream.js';
import { openGradientStep } from '../engine/gradientStep.js';
import { meanGradient } from '../engine/meanGradient.js';
import type { Objective } from '../engine/objective.js';
import { adapterParameters, type Parameter } from '../engine/parameters.js';
import type { Model } from '../models/model.js';
import { gridOf } from './grid.js';
import type { Group } from './relax.js';

/** Where the logits of the matrix start. */
export const damStarts = ['zero', 'gradient-norm'] as const;
export type DamStart = (typeof damStarts)[number];

/** Spread that logits reach in a search of a few hundred steps. */
const startSpread = 0.5;

/** LoRA on every module as it starts: what is measured before anything is trained. */
export interface FreshAdapters {
  readonly objective: Objective;
  readonly rank: number;
  readonly alpha: number;
  readonly seed: number;
  readonly gradientCheckpointing?: boolean | undefined;
  readonly threads: number;
  /** Ranks that take the batches in turns. */
  readonly shared?: Shared | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * ‖∂L/∂B‖ of every module, [layers][modules], before anything is trained: B is 0, so this is ‖∂L/∂W0 · Aᵀ‖. The gradient
 * is the mean over the first batches of a stream (see `meanGradient`).
 */
export async function gradientNorms(
  model: Model,
  head: readonly Parameter[],
  batches: BatchStream,
  options: FreshAdapters,
): Promise<number[][]> {
  const plan = loraPlan(options, { own: model.adaptable, shared: [] });
  const adapters = await adapterParameters(plan, model, options.seed);
  const byName = new Map(adapters.map((one) => [one.name, one]));
  const wrt = model.adaptable.map(({ path }) => byName.get(loraB(path))!);
  const { objective, threads } = options;
  const step = await openGradientStep(model, {
    objective,
    plan,
    parameters: [...adapters, ...head],
    wrt,
    gradientCheckpointing: options.gradientCheckpointing,
    threads,
    largestBatch: batches.largest,
  });
  try {
    const zeros = (length: number) => new Float64Array(length);
    const means = await meanGradient(step, batches, {
      wrt,
      zeros,
      ranks: options.shared?.ranks,
      signal: options.signal,
    });
    const norms = means.map((mean) => Math.sqrt(mean.reduce((total, value) => total + value * value, 0)));
    return gridOf(model).matrix(norms);
  } finally {
    await step.release();
  }
}

/** Logits that rise with the logarithm of a measure: in each group of mean 0 and of the spread that a search reaches. */
export function logitsFrom(measure: readonly (readonly number[])[], groups: readonly Group[]): Float64Array {
  const logs = measure.flat().map((value) => Math.log(Math.max(value, 1e-30)));
  const logits = new Float64Array(logs.length);
  for (const { entries } of groups) {
    const mean = entries.reduce((sum, i) => sum + logs[i]!, 0) / entries.length;
    const variance = entries.reduce((sum, i) => sum + (logs[i]! - mean) ** 2, 0) / entries.length;
    const factor = variance === 0 ? 0 : startSpread / Math.sqrt(variance);
    for (const i of entries) logits[i] = (logs[i]! - mean) * factor;
  }
  return logits;
}
