import { describe, expect, it } from 'vitest';
import { type Allowance, discretise, keptInAll, rowCounts, units } from '../../src/selection/discretise.js';
import { gridOf } from '../../src/selection/grid.js';
import { groupsOf } from '../../src/selection/methods/diffora.js';
import { relax, relaxations, relaxedEntropy } from '../../src/selection/relax.js';

/** Two layers of an encoder with two modules each, and one of a decoder with four. */
const there = [
  [true, true, false, false],
  [true, true, false, false],
  [true, true, true, true],
];
const sizes = there.map((row) => row.map((one) => (one ? 10 : 0)));
const values = [
  [0.1, 0.4, 9, 9],
  [0.3, 0.2, 9, 9],
  [0.5, 0.1, 0.6, 0.2],
];
const within = (scope: Allowance['scope'], keep = 0.5): Allowance => ({ scope, keep, sizes, there });

describe('a matrix whose layers have not the same modules', () => {
  it('keeps a share of the modules of each row, and nothing where no module stands', () => {
    expect(discretise(values, within('row'))).toEqual([
      [0, 1, 0, 0],
      [1, 0, 0, 0],
      [1, 0, 1, 0],
    ]);
  });

  it('keeps as many of the whole as its rows keep', () => {
    expect(keptInAll(0.5, rowCounts(values, there))).toBe(4);
    expect(discretise(values, within('global'))).toEqual([
      [0, 1, 0, 0],
      [1, 0, 0, 0],
      [1, 0, 1, 0],
    ]);
    // 0.1 of 4 is below a half: the share is of all eight.
    expect(discretise(values, within('global', 0.1)).flat()).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
  });

  it('holds a budget, columns and layers to the modules that there are', () => {
    const gamma = discretise(values, { ...within('global'), budget: 20 });
    expect(gamma.flat().filter((one) => one === 1)).toHaveLength(2);
    expect(units(values, 'column', there).map(({ length }) => length)).toEqual([3, 3, 1, 1]);
    expect(units(values, 'layer', there).map(({ length }) => length)).toEqual([2, 2, 4]);
    expect(discretise(values, { ...within('row'), measurePer: 'parameter' })[0]).toEqual([0, 1, 0, 0]);
  });

  it('is relaxed where modules stand alone', () => {
    const groups = groupsOf(3, 4, within('row'));
    expect(groups).toEqual([
      { entries: [0, 1], kept: 1 },
      { entries: [4, 5], kept: 1 },
      { entries: [8, 9, 10, 11], kept: 2 },
    ]);
    expect(groupsOf(3, 4, within('global'))).toEqual([{ entries: [0, 1, 4, 5, 8, 9, 10, 11], kept: 4 }]);
    for (const relaxation of relaxations) {
      const { gates } = relax(relaxation, new Float64Array(12), groups);
      expect([gates[2], gates[3], gates[6], gates[7]]).toEqual([0, 0, 0, 0]);
      expect(relaxedEntropy(gates, relaxation, groups)).toBeCloseTo(1, 10);
    }
  });

  it('is known by its model', () => {
    const adaptable = there.flatMap((row, layer) =>
      row.flatMap((one, column) =>
        one ? [{ path: `${layer}.${column}`, layer, module: `m${column}`, inFeatures: 1, outFeatures: 1 }] : [],
      ),
    );
    const model = { layers: 3, modules: ['m0', 'm1', 'm2', 'm3'], adaptable };
    expect(gridOf(model).there).toEqual(there);
    expect(
      gridOf({ ...model, layers: 1, adaptable: adaptable.slice(0, 2), modules: ['m0', 'm1'] }).there,
    ).toBeUndefined();
  });
});
