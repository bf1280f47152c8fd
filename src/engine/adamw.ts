import * as z from 'zod';
import { zerosLike } from '../runtime/deviceTensor.js';
import { arraysState, type Resumable } from '../state.js';
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
  /** Updates every parameter in place from its gradient (same order, same sizes). */
  step(gradients: readonly Float32Array[], learningRate: number): void;
}

const stateSchema = z.object({ steps: z.int() });

/** AdamW (arXiv 1711.05101, algorithm 2), with PyTorch's bias correction. Moments are float32, sums float64. */
export function adamW(parameters: readonly Parameter[], options: Partial<AdamWOptions> = {}): Optimizer {
  const { beta1, beta2, epsilon, weightDecay } = { ...adamWDefaults, ...options };
  const first = parameters.map(({ tensor }) => zerosLike(tensor).host());
  const second = parameters.map(({ tensor }) => zerosLike(tensor).host());
  const moments = arraysState(
    Object.fromEntries(
      parameters.flatMap(({ name }, i) => [
        [`first/${name}`, first[i]!],
        [`second/${name}`, second[i]!],
      ]),
    ),
  );
  let steps = 0;
  return {
    state: () => ({ ...moments.state(), values: { steps } }),
    restore(state) {
      moments.restore(state);
      steps = stateSchema.parse(state.values).steps;
    },
    step(gradients, learningRate) {
      steps++;
      const secondCorrection = 1 / Math.sqrt(1 - beta2 ** steps);
      for (const [index, { values, decays, rateFactor = 1, weightDecay: own }] of parameters.entries()) {
        const rate = learningRate * rateFactor;
        const stepSize = rate / (1 - beta1 ** steps);
        const gradient = gradients[index]!;
        const m = first[index]!;
        const v = second[index]!;
        const keep = decays ? 1 - rate * (own ?? weightDecay) : 1;
        for (let i = 0; i < values.length; i++) {
          const g = gradient[i]!;
          const mean = beta1 * m[i]! + (1 - beta1) * g;
          const square = beta2 * v[i]! + (1 - beta2) * g * g;
          m[i] = mean;
          v[i] = square;
          values[i] = values[i]! * keep - (stepSize * mean) / (Math.sqrt(square) * secondCorrection + epsilon);
        }
      }
    },
  };
}

/**
 * Scales gradients in place so that their joint 2-norm is at most `maximum` (torch.nn.utils.clip_grad_norm_).
 * @returns the norm before clipping
 */
export function clipGlobalNorm(gradients: readonly Float32Array[], maximum: number): number {
  let squares = 0;
  for (const gradient of gradients) for (const value of gradient) squares += value * value;
  const norm = Math.sqrt(squares);
  const factor = maximum / (norm + 1e-6);
  if (factor < 1) {
    for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) gradient[i]! *= factor;
  }
  return norm;
}
