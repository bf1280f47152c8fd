import { permutation, randomStream } from '../../random.js';
import { gridOf } from '../grid.js';
import { allowanceSettings, type SelectionMethod } from '../method.js';

/** A control: modules drawn by the seed. */
export const random: SelectionMethod = {
  title: 'random',
  graphs: 0,
  source: 'control',
  settings: allowanceSettings,
  async select({ model, settings }) {
    const order = permutation(model.adaptable.length, randomStream(settings.seed, 'select', 'random'));
    return { values: gridOf(model).matrix(order) };
  },
};
