import { describe, expect, it } from 'vitest';
import { dropoutSites } from '../../src/engine/dropout.js';
import { constant, ops, type Shape } from '../../src/graph/index.js';
import { openSession } from '../../src/runtime/session.js';

const rate = 0.1;
const sizes = { batch: 64, seq: 128 };

/** Compiles dropout of ones at two sites of the same shape: `draw` gives the masks of a step. */
async function openMasks(seed: number, shape: Shape = [64, 128], rates: readonly [number, number] = [rate, rate]) {
  const sites = dropoutSites(seed);
  const ones = ops.expand(constant(1), shape);
  const outputs = { first: sites.apply(ones, rates[0]), second: sites.apply(ones, rates[1]) };
  const session = await openSession(outputs, { threads: 1 });
  sites.reserve(sizes);
  return {
    async draw(step: number): Promise<{ first: Float32Array; second: Float32Array }> {
      const { first, second } = await session.run(sites.feeds(step));
      return { first: first!.data as Float32Array, second: second!.data as Float32Array };
    },
    release: () => session.release(),
  };
}

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('dropout', () => {
  it('gives the same mask for the same seed, step and site, in whatever order steps are asked for', async () => {
    const [one, other] = [await openMasks(7), await openMasks(7)];
    const forwards = [await one.draw(3), await one.draw(4), await one.draw(5)];
    const backwards = [await other.draw(5), await other.draw(4), await other.draw(3)].reverse();
    expect(forwards).toEqual(backwards);
    await Promise.all([one.release(), other.release()]);
  });

  it('gives another mask for another step, another site and another seed', async () => {
    const [one, other] = [await openMasks(7), await openMasks(8)];
    const [at3, at4, seed8] = [await one.draw(3), await one.draw(4), await other.draw(3)];
    expect(at4.first).not.toEqual(at3.first);
    expect(at3.second).not.toEqual(at3.first);
    expect(seed8.first).not.toEqual(at3.first);
    await Promise.all([one.release(), other.release()]);
  });

  it('drops an element with the given probability and scales the others to a mean of 1', async () => {
    const masks = await openMasks(7);
    for (let step = 0; step < 10; step++) {
      const { first } = await masks.draw(step);
      expect(new Set(first)).toEqual(new Set([0, Math.fround(1 / (1 - rate))]));
      // The standard deviation of the share dropped is sqrt(p (1 - p) / n) = 0.0033 for n = 8192; five of them.
      const dropped = first.filter((value) => value === 0).length / first.length;
      expect(Math.abs(dropped - rate)).toBeLessThan(0.017);
      expect(Math.abs(mean(first) - 1)).toBeLessThan(0.017 / (1 - rate));
    }
    await masks.release();
  });

  it('keeps sites of different rates apart', async () => {
    const masks = await openMasks(7, [64, 128], [0.1, 0.5]);
    const { first, second } = await masks.draw(0);
    const dropped = [first, second].map((mask) => mask.filter((value) => value === 0).length / mask.length);
    expect(dropped[0]).toBeCloseTo(0.1, 1);
    expect(dropped[1]).toBeCloseTo(0.5, 1);
    await masks.release();
  });

  it('is no node at all at a rate of 0', () => {
    const x = constant(1);
    const sites = dropoutSites(1);
    expect(sites.apply(x, 0)).toBe(x);
    expect(sites.feeds(0)).toEqual({});
  });
});
