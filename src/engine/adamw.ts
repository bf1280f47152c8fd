import * as z from 'zod';
import { arraysState, type Resumable } from '../state.js';
import { type AdamWTerms, plainLoop } from './adamwLoop.js';
import { simdLoop } from './adamwSimd.js';
import type { Parameter } from './parameters.js';

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled decay: each step takes lr · weightDecay of a decaying parameter away, unless it has a decay of its own. */
  readonly weightDecay: number;
}

export const adamWDefaults: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** An optimiser over a fixed list of parameters. Its state is that of its moments, not the parameters. */
export interface Optimizer extends Resumable {
  /**
   * Updates every parameter in place from its gradient (same order, same sizes).
   * Where there is no gradient a parameter is moved elsewhere, by {@link Optimizer.termsOf}.
   * @param factor on the gradients, as {@link clipGlobalNorm} gives it; default 1
   */
  step(gradients: readonly (Float32Array | undefined)[], learningRate: number, factor?: number): void;
  /** What the last step moved a parameter by. */
  termsOf(index: number): AdamWTerms;
  /** A parameter's moments, in place. */
  momentsOf(index: number): { readonly first: Float32Array; readonly second: Float32Array };
}

/** Numbers from which on the loop in WebAssembly is worth its memory, of which an engine has some hundred. */
const manyNumbers = 1e6;

const stateSchema = z.object({ steps: z.int() });

/** AdamW (arXiv 1711.05101, algorithm 2), with PyTorch's bias correction. Moments are float32, sums float64. */
export function adamW(parameters: readonly Parameter[], options: Partial<AdamWOptions> = {}): Optimizer {
  const { beta1, beta2, epsilon, weightDecay } = { ...adamWDefaults, ...options };
  const total = parameters.reduce((sum, { values }) => sum + values.length, 0);
  const loop =
    (total < manyNumbers ? undefined : simdLoop(parameters.map(({ values }) => values.length))) ??
    plainLoop(parameters);
  const { first, second } = loop;
  const moments = arraysState(
    Object.fromEntries(
      parameters.flatMap(({ name }, i) => [
        [`first/${name}`, first[i]!],
        [`second/${name}`, second[i]!],
      ]),
    ),
  );
  let steps = 0;
  let terms: readonly AdamWTerms[] = [];
  return {
    termsOf: (index) => terms[index]!,
    momentsOf: (index) => ({ first: first[index]!, second: second[index]! }),
    state: () => ({ ...moments.state(), values: { steps } }),
    restore(state) {
      moments.restore(state);
      steps = stateSchema.parse(state.values).steps;
    },
    step(gradients, learningRate, factor = 1) {
      steps++;
      const secondCorrection = 1 / Math.sqrt(1 - beta2 ** steps);
      terms = parameters.map(({ decays, rateFactor = 1, weightDecay: own }) => {
        const rate = learningRate * rateFactor;
        const stepSize = rate / (1 - beta1 ** steps);
        const keep = decays ? 1 - rate * (own ?? weightDecay) : 1;
        return { beta1, beta2, epsilon, stepSize, secondCorrection, keep, factor };
      });
      for (const [index, { values }] of parameters.entries()) {
        const gradient = gradients[index];
        if (gradient !== undefined) loop.move(index, values, gradient, terms[index]!);
      }
    },
  };
}

/**
 * The factor by which gradients have a joint 2-norm of at most `maximum` (torch.nn.utils.clip_grad_norm_), 1 where they have
 * it already. They are left as they are.
 * @param others sum of the squares of gradients that are elsewhere
 */
export function clipGlobalNorm(
  gradients: readonly Float32Array[],
  maximum: number,
  others = 0,
): { readonly norm: number; readonly factor: number } {
  const norm = Math.sqrt(gradients.reduce(addSquares, others));
  return { norm, factor: Math.min(1, maximum / (norm + 1e-6)) };
}

/** By index: an iterator over the numbers takes five times as long. */
function addSquares(sum: number, values: Float32Array): number {
  let squares = sum;
  for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  return squares;
}
