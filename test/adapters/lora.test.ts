import { describe, expect, it } from 'vitest';
import { initialA, lowRankProduct } from '../../src/adapters/methods/lora.js';
import type { Placement } from '../../src/adapters/plan.js';

function placement(name: string, inFeatures: number, outFeatures: number, rank: number, alpha: number): Placement {
  const module = { path: name, layer: 0, module: name, inFeatures, outFeatures };
  return { module, pair: name, rank, alpha, scaling: alpha / rank };
}

describe('a low-rank pair', () => {
  it('starts with A uniform in ±1/√in, by seed and name', () => {
    const wide = placement('wide', 64, 8, 16, 32);
    const a = initialA(wide, 7);
    const bound = 1 / 8;
    expect(a.every((value) => Math.abs(value) <= bound)).toBe(true);
    // Variance of a uniform distribution in ±c: c²/3; 1,024 draws, five standard errors.
    const variance = a.reduce((sum, value) => sum + value * value, 0) / a.length;
    expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(5 * Math.sqrt(0.8 / a.length));
    expect(initialA(wide, 7)).toEqual(a);
    expect(initialA(wide, 8)).not.toEqual(a);
    expect(initialA({ ...wide, pair: 'other' }, 7)).not.toEqual(a);
  });

  it('adds alpha / rank · B A to the weight', () => {
    const a = Float32Array.of(1, 2, 3, 4, 5, 6); // [rank 2, in 3]
    const b = Float32Array.of(1, 0, 2, -1); // [out 2, rank 2]
    const update = lowRankProduct(placement('one', 3, 2, 2, 4), a, b);
    expect(Array.from(update)).toEqual([2, 4, 6, 2 * (2 - 4), 2 * (4 - 5), 2 * (6 - 6)]);
  });
});
