import { describe, expect, it } from 'vitest';
import { damOptimizer, damOptimizers } from '../../src/selection/damOptimizer.js';

describe('optimisers of the matrix', () => {
  it('take a first step of the learning rate: Adam by sign, the others in proportion over the whole matrix', () => {
    const step = (name: (typeof damOptimizers)[number]) => {
      const logits = new Float64Array(2);
      damOptimizer(name, 2, 0.1).step(logits, [1, 7], [3, -4]);
      return logits;
    };
    expect(step('adam')[0]).toBeCloseTo(-0.1, 8);
    expect(step('adam')[1]).toBeCloseTo(0.1, 8);
    // One scale: the root of the mean of the squares, √((9 + 16) / 2), or √((1 + 49) / 2) = 5 by the gates.
    expect(step('gradient')[0]).toBeCloseTo((-0.1 * 3) / Math.sqrt(12.5), 8);
    expect(step('gradient')[1]).toBeCloseTo((0.1 * 4) / Math.sqrt(12.5), 8);
    expect(step('mirror')[0]).toBeCloseTo(-0.1 / 5, 8);
    expect(step('mirror')[1]).toBeCloseTo((-0.1 * 7) / 5, 8);
  });

  it('leave logits of 0 where they are while there is no gradient', () => {
    for (const name of damOptimizers) {
      const logits = new Float64Array(3);
      damOptimizer(name, 3, 0.1).step(logits, [0, 0, 0], [0, 0, 0]);
      expect(Array.from(logits).every((logit) => Math.abs(logit) === 0)).toBe(true);
    }
  });
});
