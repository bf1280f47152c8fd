import { DiffoError } from '../errors.js';
import type { Ranks } from '../mpi/ranks.js';

/** A signal that is aborted on all ranks at once, whichever was told to stop. */
export interface AgreedSignal {
  readonly signal: AbortSignal;
  /** Called on all ranks, between steps. */
  agree(): Promise<void>;
}

/** @param own what this rank is told */
export function agreedSignal(ranks: Ranks, own: AbortSignal | undefined): AgreedSignal {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    async agree() {
      if (controller.signal.aborted) return;
      const told = await ranks.numbers(own?.aborted === true ? 1 : 0);
      if (told.every(([one]) => one === 0)) return;
      controller.abort(own?.reason ?? new DiffoError('Interrupted on another rank.', { exitCode: 143 }));
    },
  };
}
