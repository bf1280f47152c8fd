import { expect, it } from 'vitest';
import { matrixMap, meanMap } from '../../src/report/compare/plots.js';
import { matrixCells, shareOf } from '../../src/report/matrixCells.js';

/** Two rows of an encoder and a decoder; the first has no attention across. */
const halves = {
  modules: ['self.q', 'cross.q', 'wi'],
  rows: ['encoder 0', 'decoder 0'],
  there: [
    [1, 0, 1],
    [1, 1, 1],
  ],
  values: [
    [0.4, 0, 0.6],
    [0.5, 0.7, 0.2],
  ],
  gamma: [
    [0, 0, 1],
    [0, 1, 0],
  ],
};

it('has a cell for each module that stands, and none for others; what none stands at moves no range', () => {
  const { cells, range, kept, all, rowNames } = matrixCells(halves);
  expect(cells[0]![1]).toBeUndefined();
  expect(cells[1]![1]).toEqual({ layer: 1, column: 1, value: 0.7, isKept: true, name: 'decoder 0, cross.q' });
  expect([range, kept, all]).toEqual([{ low: 0.2, high: 0.7 }, 2, 5]);
  expect(rowNames).toEqual(['encoder 0', 'decoder 0']);
  const plain = matrixCells({ modules: ['q'], values: [[1]], gamma: [[1]] });
  expect([plain.rowNames, plain.all, shareOf(1, plain.range)]).toEqual([['layer 0'], 1, 0.5]);
});

it('the report of a comparison draws no cell where none stands', () => {
  for (const svg of [matrixMap(halves, 300), meanMap([halves, halves], 300)]) {
    expect(svg.match(/<title>/g)).toHaveLength(5);
    expect(svg).not.toContain('encoder 0, cross');
    expect(svg).toContain('>decoder 0</text>');
  }
  expect(matrixMap(halves, 300)).toContain('encoder 0, wi: 0.600, kept');
  expect(meanMap([halves, halves], 300)).toContain('encoder 0, wi: kept in 2 of 2 runs');
});
