import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evenRanks } from '../../src/adapters/evenRanks.js';
import type { AdaptableModule } from '../../src/models/model.js';

const modules: AdaptableModule[] = Array.from({ length: 36 }, (_, i) => {
  const [layer, column] = [Math.floor(i / 6), i % 6];
  const [inFeatures, outFeatures] = column === 4 ? [384, 1536] : column === 5 ? [1536, 384] : [384, 384];
  return { path: `layer.${layer}.${column}`, layer, module: String(column), inFeatures, outFeatures };
});
const sizeOf = (ranks: Readonly<Record<string, number>>) =>
  modules.reduce((sum, { path, inFeatures, outFeatures }) => sum + ranks[path]! * (inFeatures + outFeatures), 0);

describe('even ranks', () => {
  it('come within one rank of the smallest module of any budget, and differ by one at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 41_472, max: 900_000 }), (budget) => {
        const ranks = evenRanks(modules, budget)!;
        expect(sizeOf(ranks)).toBeLessThanOrEqual(budget);
        expect(budget - sizeOf(ranks)).toBeLessThan(768);
        const values = Object.values(ranks);
        expect(Math.max(...values) - Math.min(...values)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('are the same everywhere where the budget allows just that', () => {
    // 6 layers · (4 · 768 + 2 · 1,920) numbers a rank.
    expect(new Set(Object.values(evenRanks(modules, 4 * 41_472)!))).toEqual(new Set([4]));
  });

  it('spread the ranks that are left over the layers', () => {
    const ranks = evenRanks(modules, 41_472 + 18 * 768)!;
    const layers = modules.filter(({ path }) => ranks[path] === 2).map(({ layer }) => layer);
    expect(new Set(layers).size).toBe(6);
  });

  it('are not there for a budget below rank 1', () => {
    expect(evenRanks(modules, 41_471)).toBeUndefined();
  });
});
