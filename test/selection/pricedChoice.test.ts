import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { type Allowance, discretise } from '../../src/selection/discretise.js';
import { type ModulePrices, priceOf } from '../../src/selection/price.js';
import { choosePriced, chooseWithin } from '../../src/selection/pricedChoice.js';

const [layers, columns] = [4, 3];
const prices: ModulePrices = {
  base: 0.4,
  modules: Array.from({ length: layers }, () => [0.005, 0.01, 0.02]),
  depth: [0.12, 0.14, 0.1, 0.1],
};
/** Four of twelve: K = 1 a row, wherever they are. */
const few: Allowance = {
  scope: 'global',
  keep: 1 / 4,
  sizes: Array.from({ length: layers }, () => [10, 10, 20]),
};
const drawn = (name: string) => {
  const stream = randomStream(1, name);
  return Array.from({ length: layers }, () => Array.from({ length: columns }, () => stream.uniform()));
};
const count = (gamma: readonly (readonly number[])[]) => gamma.flat().filter((one) => one === 1).length;

/** Value − λ · price as the rule has it. */
function gainOf(gamma: readonly (readonly number[])[], values: readonly (readonly number[])[], weight: number): number {
  const smallest = Math.min(...values.flat());
  const sum = (of: readonly (readonly number[])[]) =>
    of.flat().reduce((total, mark, i) => total + mark * (values.flat()[i]! - smallest), 0);
  return sum(gamma) / sum(discretise(values, few)) - weight * priceOf(prices, gamma.flat()).price;
}

/** Every matrix that keeps so many entries. */
function* matrices(kept: number): Generator<number[][]> {
  for (let mask = 0; mask < 2 ** (layers * columns); mask++) {
    const flat = Array.from({ length: layers * columns }, (_, i) => (mask >> i) & 1);
    if (flat.reduce((sum, one) => sum + one, 0) !== kept) continue;
    yield Array.from({ length: layers }, (_, layer) => flat.slice(layer * columns, (layer + 1) * columns));
  }
}

describe('a choice by value and price', () => {
  it.each(['a', 'b', 'c'])('is the best of all matrices that keep as many, whatever λ: %s', (name) => {
    const values = drawn(name);
    for (const weight of [0, 0.1, 0.5, 1, 3]) {
      const gamma = choosePriced(values, few, prices, weight);
      expect(count(gamma)).toBe(4);
      const best = Math.max(...[...matrices(4)].map((one) => gainOf(one, values, weight)));
      expect(gainOf(gamma, values, weight)).toBeCloseTo(best, 12);
    }
  });

  it('without a weight keeps the largest', () => {
    for (const name of ['a', 'b', 'c'])
      expect(choosePriced(drawn(name), few, prices, 0)).toEqual(discretise(drawn(name), few));
  });

  it('costs less, or the same, the higher the weight', () => {
    const costs = [0, 0.1, 0.3, 1, 3, 10, 100].map((weight) => {
      return priceOf(prices, choosePriced(drawn('a'), few, prices, weight).flat()).price;
    });
    expect(costs).toEqual(costs.toSorted((a, b) => b - a));
    expect(costs.at(-1)).toBeLessThan(costs[0]!);
  });

  it('does not change where all values are raised by the same, or multiplied', () => {
    const values = drawn('b');
    const other = values.map((row) => row.map((value) => 5 * value - 3));
    expect(choosePriced(other, few, prices, 0.7)).toEqual(choosePriced(values, few, prices, 0.7));
  });

  it('keeps to a budget of numbers', () => {
    const gamma = choosePriced(drawn('a'), { ...few, budget: 45 }, prices, 1);
    const spent = gamma.flat().reduce<number>((sum, mark, i) => sum + mark * few.sizes.flat()[i]!, 0);
    expect(spent).toBeLessThanOrEqual(45);
    expect(spent).toBeGreaterThan(0);
  });
});

describe('a choice within a limit', () => {
  const costOf = (gamma: readonly (readonly number[])[]) => priceOf(prices, gamma.flat()).price;
  const within = (limit: number, values = drawn('a')) => chooseWithin(values, few, prices, { limit, costOf });

  it('needs no price where the largest are cheap enough', () => {
    expect(within(1)).toEqual({ gamma: discretise(drawn('a'), few), weight: 0 });
  });

  it.each([0.9, 0.8, 0.7, 0.65])('of %d costs at most that, at the smallest weight that does it', (limit) => {
    for (const name of ['a', 'b', 'c']) {
      const values = drawn(name);
      const { gamma, weight } = within(limit, values);
      expect(costOf(gamma)).toBeLessThanOrEqual(limit);
      expect(gamma).toEqual(choosePriced(values, few, prices, weight));
      if (weight > 0) expect(costOf(choosePriced(values, few, prices, weight * (1 - 1e-5)))).toBeGreaterThan(limit);
    }
  });

  it('gives the same again', () => {
    expect(within(0.7)).toEqual(within(0.7));
  });

  it('is refused where the cheapest choice is dearer, with what that costs', () => {
    // Four modules do not fit into one layer of three: 0.4 + 0.1 + 0.1 + 0.005 + 0.01 + 0.005 + 0.01.
    expect(() => within(0.5)).toThrow(
      '--max-step-time 0.5 is less than 4 modules can be had for: the cheapest so many take 0.630',
    );
    expect(costOf(within(0.6301).gamma)).toBeCloseTo(0.63, 12);
  });
});
