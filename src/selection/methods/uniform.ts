import { keptPerRow } from '../discretise.js';
import type { SelectionMethod } from '../method.js';

/** A control: all modules, and the budget held by a lower rank. */
export const uniform: SelectionMethod = {
  title: 'uniform',
  source: 'control',
  settings: ['keep', 'budget'],
  async select({ model, allowance }) {
    const { sizes, budget, keep } = allowance;
    const total = sizes.flat().reduce((sum, size) => sum + size, 0);
    const columns = model.modules.length;
    const all = sizes.map((row) => row.map((): 1 => 1));
    const rankFactor = budget === undefined ? keptPerRow(keep, columns) / columns : Math.min(1, budget / total);
    return { values: all, gamma: all, rankFactor };
  },
};
