import { beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/models/model.js';
import { randomStream } from '../../src/random.js';
import {
  addPriceGradient,
  type CountedStep,
  type ModulePrices,
  meanSizes,
  modulePrices,
  priceOf,
  prices,
  stepCost,
} from '../../src/selection/price.js';
import { openTinyBert } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from './examples.js';

let model: Model;
beforeAll(async () => {
  model = await openTinyBert(3, 'tiny-bert-backbone');
});
const step: CountedStep = { objective: objectives.classification, rank: 2, sizes: { batch: 8, seq: 16 } };

/** Three layers of two modules. */
const made: ModulePrices = {
  base: 0.4,
  modules: [
    [0.01, 0.02],
    [0.01, 0.02],
    [0.01, 0.03],
  ],
  depth: [0.2, 0.2, 0.1],
};

describe('the price of a matrix', () => {
  it('is 1 for all modules, and the base for none', () => {
    expect(priceOf(made, [1, 1, 1, 1, 1, 1]).price).toBeCloseTo(1, 12);
    expect(priceOf(made, [0, 0, 0, 0, 0, 0]).price).toBe(0.4);
  });

  it('charges the depth of every layer down to the lowest that is adapted, once', () => {
    // The second module of layer 1: 0.4 + 0.02 + 0.2 + 0.1.
    expect(priceOf(made, [0, 0, 0, 1, 0, 0]).price).toBeCloseTo(0.72, 12);
    expect(priceOf(made, [0, 0, 0, 1, 1, 1]).price).toBeCloseTo(0.72 + 0.04, 12);
  });

  it('is the expected cost where modules are kept independently', () => {
    const stream = randomStream(1, 'gates');
    const gates = Array.from({ length: 6 }, () => stream.uniform());
    let expected = 0;
    for (let mask = 0; mask < 64; mask++) {
      const kept = gates.map((_, i) => (mask >> i) & 1);
      const chance = gates.reduce((product, gate, i) => product * (kept[i] === 1 ? gate : 1 - gate), 1);
      expected += chance * priceOf(made, kept).price;
    }
    expect(priceOf(made, gates).price).toBeCloseTo(expected, 12);
  });

  it.each([
    ['between 0 and 1', [0.2, 0.31, 0.07, 0.5, 0.64, 0.9]],
    ['0 or 1', [0, 0, 0, 1, 0, 1]],
  ])('has the derivative that finite differences have: gates %s', (_, given) => {
    const gates = Float64Array.from(given);
    const { byGates } = priceOf(made, gates);
    for (let i = 0; i < 6; i++) {
      const at = (by: number) =>
        priceOf(
          made,
          gates.map((gate, k) => (k === i ? gate + by : gate)),
        ).price;
      // The price is linear in each gate.
      expect(byGates[i]).toBeCloseTo((at(1e-3) - at(-1e-3)) / 2e-3, 10);
    }
  });

  it('is added to a gradient with its weight', () => {
    const gates = [0.2, 0.3, 0.1, 0.5, 0.6, 0.9];
    const gradient = new Float64Array(6).fill(1);
    addPriceGradient(gradient, gates, { prices: made, weight: 0.3 });
    const { byGates } = priceOf(made, gates);
    for (let i = 0; i < 6; i++) expect(gradient[i]).toBeCloseTo(1 + 0.3 * byGates[i]!, 12);
  });
});

describe.each(prices)('what a step costs in %s, by its graph', (price) => {
  const cost = (isAdapted: Parameters<typeof stepCost>[3]) => stepCost(model, step, price, isAdapted);

  it('rises with the depth of the lowest adapter, and with their number', () => {
    const from = [3, 2, 1, 0].map((lowest) => cost(({ layer }) => layer >= lowest));
    expect(from).toEqual(from.toSorted((a, b) => a - b));
    expect(cost(({ layer, module }) => layer >= 1 && module.includes('query'))).toBeLessThan(from[2]!);
  });

  it('comes apart into parts that are 1 together, none below 0', () => {
    const { base, modules, depth } = modulePrices(model, step, price);
    const parts = [base, ...modules.flat(), ...depth];
    expect(parts.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 12);
    expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
    expect(depth[0]).toBeGreaterThan(modules[0]![0]!);
  });

  it('is told by these parts, to a tenth in time and a fifth in memory', () => {
    const parts = modulePrices(model, step, price);
    const all = cost(() => true);
    for (const pick of [
      (layer: number) => layer >= 1,
      (layer: number) => layer === 2,
      (layer: number, module: string) => layer >= 1 && module.endsWith('output.dense'),
      (_: number, module: string) => module.endsWith('query'),
    ]) {
      const gamma = model.adaptable.map(({ layer, module }) => (pick(layer, module) ? 1 : 0));
      const counted = cost(({ layer, module }) => pick(layer, module)) / all;
      expect(Math.abs(priceOf(parts, gamma).price - counted)).toBeLessThan(price === 'time' ? 0.1 : 0.2);
    }
  });
});

it('the batch that is counted has the mean length', () => {
  const of = [4, 6, 11].map((length, index) => ({ ...examples(1, 'a')[0]!, inputIds: new Int32Array(length), index }));
  expect(meanSizes(of, 16)).toMatchObject({ batch: 3, seq: 7 });
  expect(meanSizes(of, 2)).toMatchObject({ batch: 2, seq: 7 });
});
