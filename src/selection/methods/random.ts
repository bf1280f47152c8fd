import { permutation, randomStream } from '../../random.js';
import { matrixOf } from '../damStart.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, sharingSettings } from '../settings.js';

/** A control: modules drawn by the seed. */
export const random = {
  title: 'random',
  graphs: 0,
  source: 'control',
  settings: { ...allowanceSettings, ...sharingSettings },
  reads: ['targets'],
  async select({ model, settings }) {
    const order = permutation(model.adaptable.length, randomStream(settings.seed, 'select', 'random'));
    return { values: matrixOf(model, Array.from(order)) };
  },
} satisfies SelectionMethod;
