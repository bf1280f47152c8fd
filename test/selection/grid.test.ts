import { beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/models/model.js';
import { gridOf } from '../../src/selection/grid.js';
import { restrictColumns } from '../../src/selection/targets.js';
import { openTinyBert } from '../models/tinyBert.js';

let model: Model;
beforeAll(async () => {
  // Three layers of query, key, value, attention output, intermediate and output.
  model = await openTinyBert();
});

describe('the grid of a matrix', () => {
  it('has a row for each layer and a column for each module, row after row when flat', () => {
    const grid = gridOf(model);
    expect([grid.layers, grid.columns, grid.length]).toEqual([3, 6, 18]);
    const value = { layer: 2, module: 'attention.self.value' };
    expect(grid.cell(value)).toEqual([2, 2]);
    expect(grid.index(value)).toBe(2 * 6 + 2);
    expect(model.adaptable.map(grid.index)).toEqual([...Array(18).keys()]);
  });

  it('puts values where their modules stand, in whatever order these are', () => {
    const adaptable = [...model.adaptable].reverse();
    const grid = gridOf({ ...model, adaptable });
    const matrix = grid.matrix(adaptable.map((_, i) => i));
    expect(matrix[0]).toEqual([17, 16, 15, 14, 13, 12]);
    for (const [i, module] of adaptable.entries()) expect(grid.at(matrix, module)).toBe(i);
  });

  it('leaves 0 where no module stands', () => {
    const [module] = model.adaptable;
    const matrix = gridOf({ ...model, adaptable: [module!] }).matrix([5]);
    expect(matrix.flat()).toEqual([5, ...Array(17).fill(0)]);
  });

  it('cuts a flat matrix into rows, each with the entry of its index', () => {
    const grid = gridOf(model);
    const rows = grid.rows(Float64Array.from({ length: 18 }, (_, i) => i));
    expect(rows.map((row) => row.length)).toEqual([6, 6, 6]);
    for (const module of model.adaptable) expect(grid.at(rows, module)).toBe(grid.index(module));
  });

  it('is that of the columns that are left, where targets leave some out', () => {
    const restricted = restrictColumns(model, ['key', 'value']);
    const grid = gridOf(restricted);
    expect([grid.columns, grid.length]).toEqual([2, 6]);
    expect(restricted.adaptable.map(grid.index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(() => grid.cell({ layer: 0, module: 'attention.self.query' })).toThrow(
      'attention.self.query is no column of the matrix (attention.self.key, attention.self.value)',
    );
  });

  it('makes rows of their own where it is filled', () => {
    const filled = gridOf(model).filled(0);
    filled[0]![0] = 1;
    expect(filled.flat().reduce((sum, one) => sum + one, 0)).toBe(1);
  });
});
