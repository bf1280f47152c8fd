import type { Releasable } from '../runtime/release.js';
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
  const openShared = shared(open);
  return async (own) => {
    const step = await openShared();
    return { ...step, gradients: own.map((one) => step.gradients[wrt.indexOf(one)]!) };
  };
}

/** One thing for several users: opened for the first of them, released by the last. */
export function shared<T extends Releasable>(open: () => Promise<T>): () => Promise<T> {
  let opening: Promise<T> | undefined;
  let users = 0;
  return async () => {
    opening ??= open();
    const opened = await opening;
    users++;
    return {
      ...opened,
      async release() {
        if (--users > 0) return;
        opening = undefined;
        await opened.release();
      },
    };
  };
}
