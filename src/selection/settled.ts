import * as z from 'zod';
import type { Watch } from '../engine/loop.js';
import type { Gamma } from './discretise.js';

const stateSchema = z.object({ kept: z.string(), since: z.int() });

/**
 * Ends a search when what it would keep has stayed the same.
 *
 * @param keptNow Γ as the matrix stands
 * @param patience steps over which Γ may not have changed
 */
export function untilSettled(keptNow: () => Gamma, patience: number): Watch {
  let kept = '';
  let since = 0;
  return {
    state: () => ({ arrays: {}, values: { kept, since } }),
    restore({ values }) {
      ({ kept, since } = stateSchema.parse(values));
    },
    async after(steps) {
      const now = keptNow()
        .map((row) => row.join(''))
        .join(' ');
      if (now !== kept) {
        kept = now;
        since = steps;
      }
      return steps - since >= patience;
    },
  };
}
