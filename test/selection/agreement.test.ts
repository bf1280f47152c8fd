import { describe, expect, it } from 'vitest';
import { agreement, jaccard } from '../../src/selection/agreement.js';

describe('agreement of matrices', () => {
  it('is what both keep over what either keeps', () => {
    const a = [
      [1, 1, 0],
      [0, 1, 0],
    ];
    const b = [
      [1, 0, 1],
      [0, 1, 0],
    ];
    expect(jaccard(a, b)).toBe(2 / 4);
    expect(jaccard(a, a)).toBe(1);
    expect(agreement([a, b, a])).toBeCloseTo((0.5 + 1 + 0.5) / 3, 12);
    expect(agreement([a])).toBeUndefined();
  });
});
