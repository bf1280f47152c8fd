import { describe, expect, it } from 'vitest';
import { constant } from '../../src/graph/index.js';
import { relaxations, relaxedEntropy, relaxedGates, relaxedValues } from '../../src/selection/relax.js';
import { evaluate } from '../graph/evaluate.js';

const logits = [
  [0.3, -1.2, 2, 0],
  [-0.5, 0.5, 4, -4],
];

describe.each(relaxations)('%s', (relaxation) => {
  it('gives in numbers what the graph gives', async () => {
    const tensor = constant(Float32Array.from(logits.flat()), [2, 4]);
    const { gates } = await evaluate({ gates: relaxedGates(tensor, relaxation) });
    const expected = relaxedValues(logits, relaxation).flat();
    for (const [i, value] of (gates.data as Float32Array).entries()) expect(value).toBeCloseTo(expected[i]!, 6);
  });

  it('stays inside (0, 1)', () => {
    for (const value of relaxedValues(logits, relaxation).flat()) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(1);
    }
  });

  it('has entropy 1 before anything is learned and falls towards 0 as entries part', () => {
    const of = (scale: number) =>
      relaxedEntropy(relaxedValues([[scale, -scale, -scale, -scale]], relaxation), relaxation);
    expect(of(0)).toBeCloseTo(1, 12);
    expect(of(1)).toBeLessThan(of(0));
    expect(of(30)).toBeLessThan(1e-6);
  });
});

describe('row softmax', () => {
  it('sums to 1 in every row and survives large logits', () => {
    const rows = relaxedValues([...logits, [1000, 999, 0, 0]], 'softmax');
    for (const row of rows) expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 12);
  });
});
