import { permutation, randomStream } from '../../random.js';
import { matrixOf } from '../damStart.js';
import { allowanceSettings, type SelectionMethod } from '../method.js';

/** A control: modules drawn by the seed. */
export const random: SelectionMethod = {
  title: 'random',
  graphs: 0,
  source: 'control',
  settings: allowanceSettings,
  async select({ model, settings }) {
    const order = permutation(model.adaptable.length, randomStream(settings.seed, 'select', 'random'));
    return { values: matrixOf(model, Array.from(order)) };
  },
};
