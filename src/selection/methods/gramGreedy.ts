import { textsOf } from '../../engine/batching.js';
import { headParameters } from '../../engine/parameters.js';
import { startKeeping, type Unit, units } from '../discretise.js';
import { addTo, gramMatrices, smallestEigenvalue } from '../gram.js';
import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, sharingSettings } from '../settings.js';

/** Examples of the Gram matrix. */
const sampleSize = 48;

/**
 * Greedy: the modules whose summed Gram matrix has the largest smallest eigenvalue (DESIGN 2.3; the theory of arXiv
 * 2502.08905), one after the other, before anything is trained. Values say when a module was taken: the first the most.
 */
export const gramGreedy = {
  title: 'Gram (greedy)',
  graphs: 1,
  source: 'DESIGN 2.3; arXiv 2502.08905',
  settings: { ...allowanceSettings, ...sharingSettings },
  reads: ['targets', 'rank', 'alpha', 'head'],
  async select(context) {
    const { model, halves, settings, allowance, signal } = context;
    const sample = textsOf(halves.train).slice(0, sampleSize);
    const phase = context.phase('Gram matrices', sample.length);
    const { rank, alpha, seed, threads } = settings;
    const head = await headParameters(model, seed);
    const onExample = (done: number) => phase.update(done, { examples: done });
    const options = { rank, alpha, seed, threads, signal, onExample };
    if (context.shared !== undefined) {
      context.warn?.('Gram matrices are not shared out: every rank computes them whole.');
    }
    const { modules, examples: n } = await gramMatrices(model, head, sample, options);
    phase.end();
    const grid = gridOf(model);
    const gramOf = grid.matrix(model.adaptable.map((_, m) => m));
    const matrixOfUnit = (unit: Unit) => {
      const sum = new Float64Array(n * n);
      for (const [layer, column] of unit) addTo(sum, modules[gramOf[layer]![column]!]!);
      return sum;
    };
    const shape = grid.filled(0);
    const candidates = units(shape, allowance.scope, allowance.there).map((unit) => ({
      unit,
      matrix: matrixOfUnit(unit),
    }));
    const keeper = startKeeping(shape, allowance);
    const total = new Float64Array(n * n);
    const values = grid.filled(0);
    for (let left = candidates.length; left > 0; left--) {
      let best: { unit: Unit; matrix: Float64Array } | undefined;
      let highest = Number.NEGATIVE_INFINITY;
      for (const candidate of candidates) {
        if (!keeper.fits(candidate.unit)) continue;
        signal?.throwIfAborted();
        const sum = total.slice();
        addTo(sum, candidate.matrix);
        const value = smallestEigenvalue(sum, n);
        if (value > highest) [best, highest] = [candidate, value];
      }
      if (best === undefined) break;
      keeper.keep(best.unit);
      addTo(total, best.matrix);
      for (const [layer, column] of best.unit) values[layer]![column] = left;
    }
    return { values, gamma: keeper.finish() };
  },
} satisfies SelectionMethod;
