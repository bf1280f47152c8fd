import { expect, it } from 'vitest';
import type { Gamma } from '../../src/selection/discretise.js';
import { untilSettled } from '../../src/selection/settled.js';

/** After how many steps a search over these Γ ends. */
async function endOf(gammas: readonly Gamma[], patience: number, resumedAt?: number): Promise<number | undefined> {
  let now = gammas[0]!;
  let watch = untilSettled(() => now, patience);
  for (const [i, gamma] of gammas.entries()) {
    now = gamma;
    if (await watch.after(i + 1)) return i + 1;
    if (i + 1 === resumedAt) {
      const saved = watch.state();
      watch = untilSettled(() => now, patience);
      watch.restore(saved);
      // As the loop does where it goes on.
      if (await watch.after(i + 1)) return i + 1;
    }
  }
  return undefined;
}

const a: Gamma = [
  [1, 0],
  [0, 1],
];
const b: Gamma = [
  [1, 0],
  [1, 0],
];

it('ends a search after as many steps without a change as it has patience for', async () => {
  expect(await endOf([a, a, a, a, a], 3)).toBe(4);
  expect(await endOf([a, a, b, b, b, b], 3)).toBe(6);
  expect(await endOf([a, b, a, b, a, b], 2)).toBeUndefined();
});

it('ends it at the same step where it was stopped and goes on', async () => {
  for (const resumedAt of [1, 2, 3, 4, 5]) expect(await endOf([a, a, b, b, b, b], 3, resumedAt)).toBe(6);
});
