import * as z from 'zod';
import type { Resumable } from '../state.js';

/** How the logits of the matrix are moved. */
export const damOptimizers = ['adam', 'gradient', 'mirror'] as const;
export type DamOptimizerName = (typeof damOptimizers)[number];

/** Moves logits in place by the gradients of the validation loss. Its state is that of its moments. */
export interface DamOptimizer extends Resumable {
  step(logits: Float64Array, byGates: ArrayLike<number>, byLogits: ArrayLike<number>): void;
}

const beta1 = 0.5;
const beta2 = 0.999;
const epsilon = 1e-8;
/** Of Adam, as in DARTS (arXiv 1806.09055, section 3). */
const weightDecay = 1e-3;

const moments = z.array(z.number());
const stateSchema = z.object({ steps: z.int(), first: moments, second: moments });

/**
 * - `adam`: Adam with betas 0.5 and 0.999 and weight decay 1e-3 by the logits (DARTS). Its own scale for every entry
 *   levels out how much more one module matters than another.
 * - `gradient`: the same moments, but one second moment for the whole matrix: the mean of the squares.
 * - `mirror`: as `gradient`, by the gates in the place of the logits: mirror descent in the entropy of the gates
 *   (Beck and Teboulle 2003), which does not slow down where a gate is close to 0 or 1.
 */
export function damOptimizer(name: DamOptimizerName, length: number, rate: number): DamOptimizer {
  const first = new Float64Array(length);
  const second = new Float64Array(length);
  let steps = 0;
  return {
    state: () => ({ arrays: {}, values: { steps, first: Array.from(first), second: Array.from(second) } }),
    restore({ values }) {
      const saved = stateSchema.parse(values);
      first.set(saved.first);
      second.set(saved.second);
      steps = saved.steps;
    },
    step(logits, byGates, byLogits) {
      steps++;
      const decay = name === 'adam' ? weightDecay : 0;
      const gradient = Float64Array.from(name === 'mirror' ? byGates : byLogits, (g, i) => g + decay * logits[i]!);
      const mean = gradient.reduce((sum, g) => sum + g * g, 0) / length;
      for (let i = 0; i < length; i++) {
        first[i] = beta1 * first[i]! + (1 - beta1) * gradient[i]!;
        second[i] = beta2 * second[i]! + (1 - beta2) * (name === 'adam' ? gradient[i]! ** 2 : mean);
        const scale = Math.sqrt(second[i]! / (1 - beta2 ** steps)) + epsilon;
        logits[i]! -= (rate * first[i]!) / (1 - beta1 ** steps) / scale;
      }
    },
  };
}
