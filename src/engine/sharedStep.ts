import type { GradientStep } from './gradientStep.js';
import type { Parameter } from './parameters.js';

/** Opens a step that differentiates by these parameters. */
export type OpenStep = (wrt: readonly Parameter[]) => Promise<GradientStep>;

/**
 * One compiled step for users who differentiate by parameters of their own: opened for the first of them, released by the
 * last. A run by one overwrites the gradients of all, so that they take turns.
 *
 * @param open compiles the step
 * @param wrt what it differentiates by, all that the users ask for
 */
export function sharedStep(open: () => Promise<GradientStep>, wrt: readonly Parameter[]): OpenStep {
  let opening: Promise<GradientStep> | undefined;
  let users = 0;
  return async (own) => {
    opening ??= open();
    const step = await opening;
    users++;
    return {
      gradients: own.map((one) => step.gradients[wrt.indexOf(one)]!),
      run: (batch, index) => step.run(batch, index),
      async release() {
        if (--users > 0) return;
        opening = undefined;
        await step.release();
      },
    };
  };
}
