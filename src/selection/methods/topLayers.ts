import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, sharingSettings } from '../settings.js';

const { keep, budget } = allowanceSettings;

/** A control: whole layers, from the last one down. */
export const topLayers = {
  title: 'top layers',
  graphs: 0,
  source: 'control',
  settings: { keep, budget, ...sharingSettings },
  reads: ['targets'],
  scope: 'layer',
  async select({ model }) {
    return { values: gridOf(model).matrix(model.adaptable.map(({ layer }) => layer + 1)) };
  },
} satisfies SelectionMethod;
