import type { SelectionMethod } from '../method.js';
import { diffora, searchSettings } from './diffora.js';

/** A control: what DiffoRA would leave out. */
export const inverted = {
  title: 'inverted DiffoRA',
  graphs: 2,
  passes: diffora.passes,
  source: 'control',
  settings: searchSettings,
  reads: diffora.reads,
  async select(context) {
    const selected = await diffora.select(context);
    return { ...selected, values: selected.values.map((row) => row.map((value) => -value)) };
  },
} satisfies SelectionMethod;
