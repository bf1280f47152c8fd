import { beforeAll, describe, expect, it } from 'vitest';
import { selectionSettingsOf } from '../../src/jobs/selectModules.js';
import { discretise } from '../../src/selection/discretise.js';
import type { SelectionContext } from '../../src/selection/method.js';
import { type SelectionName, selectionMethods } from '../../src/selection/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { openTinyBert } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from './examples.js';

let context: SelectionContext;
beforeAll(async () => {
  const config = parseTrainConfig({ task: 'x', method: 'lora', rank: 4, batchSize: 3, threads: 1 }, 'test');
  const halves = { train: examples(12, 'a'), validation: [] };
  context = {
    model: await openTinyBert(),
    objective: objectives.classification,
    halves,
    halvesBy: () => halves,
    settings: selectionSettingsOf(config, 12),
    allowance: { scope: 'layer', keep: 0.5, sizes: [] },
    phase: () => ({ update: () => {}, end: () => {} }),
  };
});

const select = async (name: SelectionName) => (await selectionMethods[name].select(context)).values;

describe('selection of whole layers', () => {
  const kept = (values: number[][], keep: number) =>
    discretise(values, { ...context.allowance, keep }).map((row) => {
      expect(new Set(row).size).toBe(1);
      return row[0];
    });

  it('takes the top ones, as many as the share has: round(0.67 · 3) = 2, and one at the least', async () => {
    const values = await select('top-layers');
    expect(kept(values, 0.67)).toEqual([0, 1, 1]);
    expect(kept(values, 0.01)).toEqual([0, 0, 1]);
    expect(kept(values, 1)).toEqual([1, 1, 1]);
  });

  it('takes those with the largest sums of gradient norms', async () => {
    const values = await select('layer-gradient-norm');
    expect(values).toEqual(await select('gradient-norm'));
    const sums = values.map((row) => row.reduce((sum, one) => sum + one, 0));
    const largest = Math.max(...sums);
    expect(kept(values, 0.34)).toEqual(sums.map((sum) => (sum === largest ? 1 : 0)));
  });

  it('holds a budget: whole layers from the top down as long as they fit', async () => {
    const values = await select('top-layers');
    const sizes = [Array(6).fill(10), Array(6).fill(20), Array(6).fill(10)];
    const within = (budget: number) =>
      discretise(values, { scope: 'layer', keep: 1, budget, sizes }).map((row) => row[0]);
    expect(within(180)).toEqual([0, 1, 1]);
    // The second does not fit beside the third, the first does.
    expect(within(179)).toEqual([1, 0, 1]);
    expect(() => within(59)).toThrow('the smallest layer of modules has 60 trainable numbers');
  });
});
