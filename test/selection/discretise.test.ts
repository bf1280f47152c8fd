import { describe, expect, it } from 'vitest';
import { type Allowance, discretise, keptPerRow, type Scope } from '../../src/selection/discretise.js';

/** An allowance of a share; sizes do not matter. */
const within = (keep: number, scope: Scope): Allowance => ({ keep, scope, sizes: [] });

describe('discretisation', () => {
  it('keeps K = max(1, round(ρN)) entries, halves rounded up', () => {
    expect([0.01, 0.25, 0.5, 0.75, 1].map((ratio) => keptPerRow(ratio, 6))).toEqual([1, 2, 3, 5, 6]);
    expect(keptPerRow(0.5, 7)).toBe(4);
  });

  it('refuses a ratio outside (0, 1]', () => {
    for (const ratio of [0, -0.5, 1.01, Number.NaN]) expect(() => keptPerRow(ratio, 6)).toThrow(/--keep/);
  });

  it('keeps K entries in every row, the largest', () => {
    const relaxed = [
      [0.1, 0.9, 0.3, 0.2],
      [0.8, 0.7, 0.6, 0.5],
    ];
    expect(discretise(relaxed, within(0.5, 'row'))).toEqual([
      [0, 1, 1, 0],
      [1, 1, 0, 0],
    ]);
  });

  it('gives ties to the lower column', () => {
    expect(discretise([[0.5, 0.5, 0.5, 0.5]], within(0.5, 'row'))).toEqual([[1, 1, 0, 0]]);
  });

  it('keeps the same total over the whole matrix in global scope, ties to the lower column, then the lower row', () => {
    const relaxed = [
      [0.1, 0.9, 0.8, 0.7],
      [0.2, 0.1, 0.1, 0.3],
    ];
    expect(discretise(relaxed, within(0.5, 'global'))).toEqual([
      [0, 1, 1, 1],
      [0, 0, 0, 1],
    ]);
    const level = [
      [0.5, 0.5],
      [0.5, 0.5],
    ];
    expect(discretise(level, within(0.5, 'global'))).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });
});
