import { beforeAll, describe, expect, it } from 'vitest';
import { adapterSize } from '../../src/adapters/plan.js';
import { type AdapterMethod, adapterMethodNames, adapterMethods } from '../../src/adapters/registry.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { tinyModel } from '../cli/run.js';

let model: Model;
beforeAll(async () => {
  model = openModel(await openCheckpoint(tinyModel, 'tiny'), { numLabels: 2, head: 'all' });
});

const settings = parseTrainConfig({ task: 'cola' }, 'test').method;
const fitting = adapterMethodNames.filter((name) => (adapterMethods[name] as AdapterMethod).fit !== undefined);

describe.each(fitting)('a budget for %s', (name) => {
  const method: AdapterMethod = adapterMethods[name];
  const everywhere = () => ({ own: model.adaptable, shared: [] });
  const sizeAt = (budget: number) => {
    const own = method.fit!(settings, everywhere(), model, budget);
    return adapterSize(method.plan({ ...settings, ...own }, everywhere(), model));
  };

  it('is met as nearly as the method can', () => {
    for (const budget of [9000, 12_345, 20_000]) {
      const size = sizeAt(budget);
      if (name === 'adalora') {
        // What counts is the average rank left at the end; it starts with half as many again, rounded up.
        const perRank = model.adaptable.reduce(
          (sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures + 1,
          0,
        );
        expect(Math.abs(size / 1.5 - budget)).toBeLessThan(perRank);
      } else if (name === 'houlsby' || name === 'pfeiffer') {
        // A width of all bottlenecks: 2 · 32 + 1 numbers for each; the layer norms of Houlsby are trained beside them.
        const width = 65 * (name === 'houlsby' ? 6 : 3);
        expect(Math.abs(size - budget)).toBeLessThan(width / 2 + 500);
      } else {
        expect(size).toBeLessThanOrEqual(budget);
        expect(budget - size).toBeLessThan(64);
      }
    }
  });

  it('that is too small is refused', () => {
    expect(() => sizeAt(10)).toThrow('--parameters 10 is less than the');
  });
});

it('counts a shared pair once, with one rank for all its modules', () => {
  const own = model.adaptable.filter(({ module }) => module === 'attention.self.query');
  const shared = model.adaptable.filter(({ module }) => module !== 'attention.self.query');
  const method: AdapterMethod = adapterMethods.lora;
  const fit = method.fit!(settings, { own, shared }, model, 5000);
  const plan = method.plan({ ...settings, ...fit }, { own, shared }, model);
  expect(5000 - adapterSize(plan)).toBeGreaterThanOrEqual(0);
  expect(5000 - adapterSize(plan)).toBeLessThan(64);
  for (const { alpha, rank } of plan.placements) expect(alpha / rank).toBe(settings.alpha / settings.rank);
});
