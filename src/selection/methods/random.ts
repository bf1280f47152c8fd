import { permutation, randomStream } from '../../random.js';
import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, sharingSettings, stepTimeSettings } from '../settings.js';

/** A control: modules drawn by the seed. */
export const random = {
  title: 'random',
  graphs: 0,
  source: 'control',
  settings: { ...allowanceSettings, ...stepTimeSettings, ...sharingSettings },
  reads: ['targets'],
  async select({ model, settings }) {
    const order = permutation(model.adaptable.length, randomStream(settings.seed, 'select', 'random'));
    return { values: gridOf(model).matrix(order) };
  },
} satisfies SelectionMethod;
