import { describe, expect, it } from 'vitest';
import { holdOut, splitHalves, subsample } from '../../src/data/stratify.js';

const rows = Array.from({ length: 101 }, (_, i) => ({ id: i, label: i % 10 === 0 ? 2 : i % 3 === 0 ? 1 : 0 }));
const scored = Array.from({ length: 200 }, (_, i) => ({ id: i, label: ((i * 7919) % 5000) / 1000 }));
const ids = (items: readonly { id: number }[]) => items.map(({ id }) => id);
const counts = (items: readonly { label: number }[]) => [0, 1, 2].map((c) => items.filter((x) => x.label === c).length);
const mean = (items: readonly { label: number }[]) => items.reduce((sum, { label }) => sum + label, 0) / items.length;

describe('splitHalves', () => {
  it('is disjoint, complete, and differs by at most one in each class and in all', () => {
    const { first, second } = splitHalves(rows, 3);
    expect([...ids(first), ...ids(second)].sort((a, b) => a - b)).toEqual(ids(rows));
    const [a, b] = [counts(first), counts(second)];
    for (const c of [0, 1, 2]) expect(Math.abs(a[c]! - b[c]!)).toBeLessThanOrEqual(1);
    expect(Math.abs(first.length - second.length)).toBe(1);
  });

  it('depends on the seed alone', () => {
    expect(splitHalves(rows, 3)).toEqual(splitHalves(rows, 3));
    expect(ids(splitHalves(rows, 3).first)).not.toEqual(ids(splitHalves(rows, 4).first));
    expect(ids(splitHalves(scored, 3).first)).not.toEqual(ids(splitHalves(scored, 4).first));
  });

  it('makes halves of scores alike too', () => {
    const { first, second } = splitHalves(scored, 3);
    expect(Math.abs(mean(first) - mean(second))).toBeLessThan(0.1);
    expect([first.length, second.length]).toEqual([100, 100]);
  });
});

describe('subsample', () => {
  it('keeps the shares of the classes by largest remainders, and the order', () => {
    const sample = subsample(rows, 50, 1);
    expect(sample).toHaveLength(50);
    expect(counts(rows)).toEqual([60, 30, 11]);
    // 60, 30 and 11 of 101 make 29.70, 14.85 and 5.45 of 50.
    expect(counts(sample)).toEqual([30, 15, 5]);
    expect(ids(sample)).toEqual([...ids(sample)].sort((a, b) => a - b));
    expect(ids(subsample(rows, 50, 1))).toEqual(ids(sample));
    expect(ids(subsample(rows, 50, 2))).not.toEqual(ids(sample));
  });

  it('gives all where as many or more are asked for', () => {
    expect(subsample(rows, 101, 1)).toEqual(rows);
    expect(subsample(rows, 1e6, 1)).toEqual(rows);
  });
});

describe('holdOut', () => {
  it('takes a tenth of every class, at least one, never the last', () => {
    const few = [...rows, { id: 101, label: 3 }, { id: 102, label: 3 }, { id: 103, label: 4 }];
    const { kept, heldOut } = holdOut(few, 0.1, 0);
    expect(counts(heldOut)).toEqual([6, 3, 1]);
    expect(heldOut.filter(({ label }) => label === 3)).toHaveLength(1);
    expect(kept.filter(({ label }) => label === 4)).toHaveLength(1);
    expect([...ids(kept), ...ids(heldOut)].sort((a, b) => a - b)).toEqual(ids(few));
  });
});
