import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Allowance,
  allScopes,
  discretise,
  keptInAll,
  keptPerRow,
  type Scope,
  units,
} from '../../src/selection/discretise.js';

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

  it('keeps the largest for each trainable number, where measures are held against those', () => {
    const relaxed = [[0.4, 0.9, 0.5, 0.3]];
    const allowance: Allowance = { keep: 1, scope: 'row', budget: 12, sizes: [[4, 10, 5, 4]] };
    expect(discretise(relaxed, allowance)).toEqual([[0, 1, 0, 0]]);
    expect(discretise(relaxed, { ...allowance, measurePer: 'parameter' })).toEqual([[1, 0, 1, 0]]);
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

/** A matrix of few different values, so that ties are common, and what is allowed. */
const matrices = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 8 })).chain(([rows, columns]) => {
  const row = fc.array(fc.constantFrom(0.1, 0.2, 0.3, 0.4), { minLength: columns, maxLength: columns });
  return fc.array(row, { minLength: rows, maxLength: rows });
});
const shares = fc.double({ min: 0.01, max: 1, noNaN: true });
const sizesOf = (matrix: readonly (readonly number[])[]) => matrix.map((row, l) => row.map((_, c) => 10 + l + 7 * c));

describe('a share that is less than half a module a row', () => {
  const measure = Array.from({ length: 12 }, (_, layer) =>
    Array.from({ length: 6 }, (_, c) => (layer * 5 + c * 7) % 72),
  );

  it('keeps ρ · L · N modules of the whole matrix, down to the largest alone', () => {
    const keptAt = (keep: number) =>
      discretise(measure, within(keep, 'global')).flatMap((row, l) =>
        row.flatMap((mark, c) => (mark === 1 ? [measure[l]![c]!] : [])),
      );
    const largest = measure.flat().sort((a, b) => b - a);
    expect(keptAt(0.001)).toEqual([largest[0]]);
    // 0.05 · 72 = 3.6
    expect(keptAt(0.05).sort((a, b) => b - a)).toEqual(largest.slice(0, 4));
    expect(keptAt(0.09)).toHaveLength(12);
  });

  it('keeps one module a row, or one column', () => {
    expect(
      discretise(measure, within(0.001, 'row')).every((row) => row.filter((mark) => mark === 1).length === 1),
    ).toBe(true);
    expect(new Set(discretise(measure, within(0.001, 'column')).map(String)).size).toBe(1);
  });
});

describe('properties of discretisation', () => {
  it('rows keep exactly K, and no entry that is left is larger than one that is kept, or as large and further left', () => {
    fc.assert(
      fc.property(matrices, shares, (matrix, keep) => {
        const gamma = discretise(matrix, within(keep, 'row'));
        for (const [layer, marks] of gamma.entries()) {
          expect(marks.filter((mark) => mark === 1)).toHaveLength(keptPerRow(keep, marks.length));
          for (const [left, leftMark] of marks.entries()) {
            for (const [kept, keptMark] of marks.entries()) {
              if (leftMark === 1 || keptMark === 0) continue;
              const [a, b] = [matrix[layer]![kept]!, matrix[layer]![left]!];
              expect(a > b || (a === b && kept < left)).toBe(true);
            }
          }
        }
      }),
    );
  });

  it('the whole matrix keeps exactly K times its rows, or fewer where K is 1 only because a row must keep something', () => {
    fc.assert(
      fc.property(matrices, shares, (matrix, keep) => {
        const columns = matrix[0]!.length;
        const kept = discretise(matrix, within(keep, 'global')).flat();
        const count = kept.filter((mark) => mark === 1).length;
        expect(count).toBe(
          keptInAll(
            keep,
            matrix.map(() => columns),
          ),
        );
        if (keep * columns >= 0.5) expect(count).toBe(matrix.length * keptPerRow(keep, columns));
        else expect(count).toBe(Math.max(1, Math.round(keep * columns * matrix.length)));
      }),
    );
  });

  it('columns are kept in all rows or in none, rows in all columns or in none', () => {
    fc.assert(
      fc.property(matrices, shares, (matrix, keep) => {
        const perRow = keptPerRow(keep, matrix[0]!.length);
        const columns = discretise(matrix, within(keep, 'column'));
        expect(columns.every((row) => String(row) === String(columns[0]))).toBe(true);
        expect(columns[0]!.filter((mark) => mark === 1)).toHaveLength(perRow);
        const rows = discretise(matrix, within(keep, 'layer'));
        expect(rows.every((row) => new Set(row).size === 1)).toBe(true);
        expect(rows.filter((row) => row[0] === 1)).toHaveLength(keptPerRow(keep, matrix.length));
      }),
    );
  });

  it('a budget is kept to, and nothing that is left would still fit', () => {
    fc.assert(
      fc.property(
        matrices,
        fc.constantFrom(...allScopes),
        fc.integer({ min: 300, max: 900 }),
        (matrix, scope, budget) => {
          const sizes = sizesOf(matrix);
          const gamma = discretise(matrix, { scope, keep: 0.5, budget, sizes });
          const spent = gamma.flatMap((row, l) => row.map((mark, c) => mark * sizes[l]![c]!));
          const total = spent.reduce((sum, one) => sum + one, 0);
          expect(total).toBeLessThanOrEqual(budget);
          for (const unit of units(matrix, scope)) {
            const size = unit.reduce((sum, [l, c]) => sum + sizes[l]![c]!, 0);
            const isKept = unit.every(([l, c]) => gamma[l]![c] === 1);
            expect(isKept || total + size > budget).toBe(true);
          }
        },
      ),
    );
  });

  it('a budget that no module fits is refused with the size of the smallest', () => {
    const allowance = { scope: 'row' as const, keep: 0.5, budget: 9, sizes: [[12, 10]] };
    expect(() => discretise([[1, 2]], allowance)).toThrow(
      /--budget 9 holds no module: the smallest module has 10 trainable numbers/,
    );
  });
});
