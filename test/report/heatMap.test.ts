import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type HeatMapInput, heatMap } from '../../src/report/heatMap.js';

const bert = [
  'attention.self.query',
  'attention.self.key',
  'attention.self.value',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
];

const dam: HeatMapInput = {
  layers: 2,
  modules: bert,
  select: 'diffora',
  values: [
    [0.5, 0.599, 0.474, 0.407, 0.549, 0.58],
    [0.514, 0.4, 0.512, 0.597, 0.463, 0.996],
  ],
  gamma: [
    [0, 1, 0, 0, 1, 1],
    [1, 0, 0, 1, 0, 1],
  ],
};

describe('heatMap', () => {
  it('shows layers down and modules across, kept ones in brackets, under a legend', () => {
    expect(heatMap(dam, { width: 100, colorLevel: 0 })).toBe(
      [
        '[ ] kept: 6 of 12 modules   values: diffora, 0.400 to 0.996',
        '',
        '         query    key    value  attn.out interm. output',
        'layer 0  0.500  [0.599]  0.474   0.407   [0.549] [0.580]',
        'layer 1 [0.514]  0.400   0.512  [0.597]   0.463  [0.996]',
      ].join('\n'),
    );
  });

  it('shortens titles and numbers for 40 columns', () => {
    expect(heatMap(dam, { width: 40, colorLevel: 0 })).toBe(
      [
        '[ ] kept: 6 of 12 modules',
        'values: diffora, .40 to 1.0',
        '',
        '  query  key  value attn… inte… outp…',
        '0  .50  [.60]  .47   .41  [.55] [.58]',
        '1 [.51]  .40   .51  [.60]  .46  [1.0]',
      ].join('\n'),
    );
  });

  it('writes module names in full where there is room', () => {
    expect(heatMap(dam, { width: 140, colorLevel: 0 })).toContain(
      'attention.output.dense intermediate.dense output.dense',
    );
  });

  it('sets columns in blocks where even the shortest do not fit', () => {
    const lines = heatMap(dam, { width: 24, colorLevel: 0 }).split('\n').slice(3);
    expect(lines).toEqual([
      '  query  key  value',
      '0  .50  [.60]  .47',
      '1 [.51]  .40   .51',
      '',
      '  attn… inte… outp…',
      '0  .41  [.55] [.58]',
      '1 [.60]  .46  [1.0]',
    ]);
  });

  it.each([20, 30, 40, 50, 60, 80, 100, 120])('has no line of the map longer than %d columns', (width) => {
    const layers = 12;
    const tall = {
      ...dam,
      layers,
      values: Array.from({ length: layers }, () => dam.values[0]!),
      gamma: Array.from({ length: layers }, () => dam.gamma[0]!),
    };
    const lines = heatMap(tall, { width, colorLevel: 3 }).split('\n').map(stripVTControlCharacters);
    const map = lines.slice(lines.indexOf('') + 1);
    expect(Math.max(...map.map((line) => line.length))).toBeLessThanOrEqual(width);
  });

  it('adds nothing but colours, and those only where they are wanted', () => {
    const plain = heatMap(dam, { width: 60, colorLevel: 0 });
    expect(stripVTControlCharacters(plain)).toBe(plain);
    for (const colorLevel of [1, 2, 3] as const) {
      const coloured = heatMap(dam, { width: 60, colorLevel });
      const rows = (text: string) =>
        text
          .split('\n')
          .slice(3)
          .map((line) => stripVTControlCharacters(line).trimEnd());
      expect(coloured).not.toBe(plain);
      expect(rows(coloured)).toEqual(rows(plain));
    }
  });

  it('takes a matrix whose entries are all equal', () => {
    const flat = { ...dam, values: dam.values.map((row) => row.map(() => 0.5)) };
    expect(heatMap(flat, { width: 100, colorLevel: 3 })).not.toContain('NaN');
  });
});

describe('heatMap of a measure that is no share', () => {
  it('shows numbers of any size in columns that hold them', () => {
    const measured: HeatMapInput = {
      ...dam,
      select: 'gradient-norm',
      values: [
        [0.000012, 12345, 3, 4.5, -2, 0],
        [1, 2, 3, 4, 5, 6],
      ],
    };
    const lines = heatMap(measured, { width: 100, colorLevel: 0 }).split('\n');
    expect(lines.slice(3)).toEqual(
      [
        'layer 0  0.0000120   [1.23e4]      3.00        4.50       [-2.00]     [0.00]   ',
        'layer 1   [1.00]       2.00        3.00       [4.00]       5.00       [6.00]   ',
      ].map((line) => line.trimEnd()),
    );
    for (const width of [30, 60]) {
      for (const line of heatMap(measured, { width, colorLevel: 0 }).split('\n').slice(3)) {
        expect(line.length).toBeLessThanOrEqual(width);
      }
    }
  });
});
