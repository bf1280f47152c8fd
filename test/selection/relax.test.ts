import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import {
  entropyGradient,
  type Group,
  gumbelNoise,
  relax,
  relaxations,
  relaxedEntropy,
} from '../../src/selection/relax.js';

const logits = [0.3, -1.2, 2, 0, -0.5, 0.5, 4, -4];
const rows: Group[] = [
  { entries: [0, 1, 2, 3], kept: 2 },
  { entries: [4, 5, 6, 7], kept: 2 },
];
const whole: Group[] = [{ entries: [0, 1, 2, 3, 4, 5, 6, 7], kept: 3 }];

/** Slopes of a function of a vector by central differences. */
function slopes(point: readonly number[], of: (values: number[]) => number, step = 1e-5): number[] {
  return point.map((_, i) => {
    const at = (change: number) => of(point.map((value, j) => (j === i ? value + change : value)));
    return (at(step) - at(-step)) / (2 * step);
  });
}

describe.each(relaxations)('%s', (relaxation) => {
  it('stays inside (0, 1)', () => {
    for (const value of relax(relaxation, logits, rows).gates) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(1);
    }
  });

  it.each([
    ['rows', rows],
    ['the whole matrix', whole],
  ])('brings gradients back as finite differences do, over %s', (_, groups) => {
    const stream = randomStream(1, relaxation);
    const direction = logits.map(() => stream.normal());
    const along = (values: number[]) =>
      relax(relaxation, values, groups).gates.reduce((sum, gate, i) => sum + gate * direction[i]!, 0);
    const expected = slopes(logits, along);
    const found = relax(relaxation, logits, groups).pullback(direction);
    for (const [i, slope] of found.entries()) expect(slope).toBeCloseTo(expected[i]!, 7);
  });

  it('has an entropy between 1, where nothing is learned, and 0, with the slope of finite differences', () => {
    const entropyOf = (values: readonly number[]) =>
      relaxedEntropy(relax(relaxation, values, rows).gates, relaxation, rows);
    expect(entropyOf(logits.map(() => 0))).toBeCloseTo(1, 12);
    expect(entropyOf(logits)).toBeLessThan(1);
    expect(entropyOf([30, 30, -30, -30, 30, 30, -30, -30])).toBeLessThan(relaxation === 'softmax' ? 0.6 : 1e-6);
    const now = relax(relaxation, logits, rows);
    const found = now.pullback(entropyGradient(now.gates, relaxation, rows));
    const expected = slopes(logits, entropyOf);
    for (const [i, slope] of found.entries()) expect(slope).toBeCloseTo(expected[i]!, 7);
  });
});

describe('row softmax', () => {
  it('sums to 1 in every row and survives large logits', () => {
    const { gates } = relax('softmax', [...logits.slice(0, 4), 1000, 999, 0, 0], rows);
    for (const { entries } of rows) expect(entries.reduce((sum, i) => sum + gates[i]!, 0)).toBeCloseTo(1, 12);
  });
});

describe('budget', () => {
  it('sums to K in every group, keeps the order of the logits, and survives large ones', () => {
    for (const groups of [rows, whole]) {
      const { gates } = relax(
        'budget',
        logits.map((logit) => 20 * logit),
        groups,
      );
      for (const { entries, kept } of groups) {
        expect(entries.reduce((sum, i) => sum + gates[i]!, 0)).toBeCloseTo(kept, 9);
        const order = [...entries].sort((a, b) => logits[a]! - logits[b]!);
        for (const [i, entry] of order.slice(1).entries()) {
          expect(gates[entry]!).toBeGreaterThanOrEqual(gates[order[i]!]!);
        }
      }
    }
  });
});

describe('Gumbel top-K', () => {
  it('keeps exactly K of every group, by a draw that depends on seed and step alone', () => {
    const draw = (seed: number, step: number) =>
      Array.from(relax('gumbel', logits, rows, gumbelNoise(8, seed, step)).gates);
    for (let step = 0; step < 50; step++) {
      const gates = draw(1, step);
      expect(gates.every((gate) => gate === 0 || gate === 1)).toBe(true);
      for (const { entries, kept } of rows) expect(entries.reduce((sum, i) => sum + gates[i]!, 0)).toBe(kept);
    }
    expect(draw(1, 3)).toEqual(draw(1, 3));
    expect(Array.from({ length: 20 }, (_, step) => String(draw(2, step)))).not.toEqual(
      Array.from({ length: 20 }, (_, step) => String(draw(1, step))),
    );
  });

  it('draws the first place with the probabilities of a softmax (Gumbel-max)', () => {
    const group: Group[] = [{ entries: [0, 1, 2], kept: 1 }];
    const three = [0, 1, 2].map((i) => Math.log(i + 1));
    const counts = [0, 0, 0];
    const draws = 20_000;
    for (let step = 0; step < draws; step++) {
      counts[relax('gumbel', three, group, gumbelNoise(3, 5, step)).gates.indexOf(1)]!++;
    }
    // Probabilities 1/6, 2/6, 3/6; five standard errors of a proportion.
    for (const [i, count] of counts.entries()) {
      const p = (i + 1) / 6;
      expect(Math.abs(count / draws - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / draws));
    }
  });

  it('sends gradients straight through to the budget relaxation at the disturbed logits', () => {
    const noise = gumbelNoise(8, 1, 0);
    const direction = logits.map((_, i) => i - 3);
    const through = relax('gumbel', logits, rows, noise).pullback(direction);
    const soft = relax(
      'budget',
      logits.map((logit, i) => logit + noise[i]!),
      rows,
    ).pullback(direction);
    expect(Array.from(through)).toEqual(Array.from(soft));
  });
});
