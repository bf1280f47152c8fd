import { describe, expect, it } from 'vitest';
import { initialPair, weightUpdate } from '../../src/adapters/lora.js';

const pair = { name: 'one', inFeatures: 3, outFeatures: 2 };

describe('a low-rank pair', () => {
  it('starts with A uniform in ±1/√in and B at 0, by seed and name', () => {
    const wide = { name: 'wide', inFeatures: 64, outFeatures: 8 };
    const { a, b } = initialPair(wide, 16, 7);
    const bound = 1 / 8;
    expect(a.every((value) => Math.abs(value) <= bound)).toBe(true);
    // Variance of a uniform distribution in ±c: c²/3; 1,024 draws, five standard errors.
    const variance = a.reduce((sum, value) => sum + value * value, 0) / a.length;
    expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(5 * Math.sqrt(0.8 / a.length));
    expect(b.every((value) => value === 0)).toBe(true);
    expect(initialPair(wide, 16, 7).a).toEqual(a);
    expect(initialPair(wide, 16, 8).a).not.toEqual(a);
    expect(initialPair({ ...wide, name: 'other' }, 16, 7).a).not.toEqual(a);
  });

  it('adds alpha / rank · B A to the weight', () => {
    const a = Float32Array.of(1, 2, 3, 4, 5, 6); // [rank 2, in 3]
    const b = Float32Array.of(1, 0, 2, -1); // [out 2, rank 2]
    const update = weightUpdate({ rank: 2, alpha: 4 }, pair, a, b);
    expect(Array.from(update)).toEqual([2, 4, 6, 2 * (2 - 4), 2 * (4 - 5), 2 * (6 - 6)]);
  });
});
