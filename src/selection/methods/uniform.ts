import { evenRanks } from '../../adapters/evenRanks.js';
import { usageError } from '../../errors.js';
import { keptPerRow } from '../discretise.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings } from '../settings.js';

const { keep, budget } = allowanceSettings;

/** A control: all modules, and the budget held by lower ranks. */
export const uniform = {
  title: 'uniform',
  graphs: 0,
  source: 'control',
  settings: { keep, budget },
  reads: ['targets', 'rank'],
  async select({ model, allowance, settings }) {
    const { sizes } = allowance;
    const columns = model.modules.length;
    const total = sizes.flat().reduce((sum, size) => sum + size, 0);
    const numbers = Math.min(total, allowance.budget ?? (total * keptPerRow(allowance.keep, columns)) / columns);
    // What an adapter has beside its pairs, such as DoRA's magnitudes, does not fall with the rank.
    const pairs = model.adaptable.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures, 0);
    const fixed = total - settings.rank * pairs;
    const ranks = evenRanks(model.adaptable, numbers - fixed);
    if (ranks === undefined) {
      throw usageError(
        `--select uniform: ${Math.floor(numbers)} trainable numbers are less than rank 1 on all modules takes (${fixed + pairs}). Raise --rank, --keep or --budget.`,
      );
    }
    const all = sizes.map((row) => row.map((): 1 => 1));
    return { values: all, gamma: all, ranks };
  },
} satisfies SelectionMethod;
