import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { matchTargets } from '../targets.js';

/** A fixed list: exactly the modules that the targets name. */
export const list: SelectionMethod = {
  title: 'fixed list',
  graphs: 0,
  source: '',
  settings: [],
  async select({ model, settings }) {
    const named = new Set(matchTargets(model, settings.targets).map(({ path }) => path));
    const values = gridOf(model).matrix(model.adaptable.map(({ path }) => (named.has(path) ? 1 : 0)));
    return { values, gamma: values.map((row) => row.map((value) => (value === 1 ? 1 : 0))) };
  },
};
