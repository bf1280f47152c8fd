import * as z from 'zod';
import { usageError } from '../../errors.js';
import type { Model } from '../../models/model.js';
import { allBiases } from '../biases.js';
import { plainFormat } from '../format.js';
import type { MethodOf } from '../method.js';
import type { AdapterPlan } from '../plan.js';
import { wholePlan } from '../whole.js';

/** BitFit (arXiv 2106.10199): only the biases are trained, those of layer norms included. */
export function bitfitPlan(model: Model): AdapterPlan {
  const biases = allBiases(model);
  if (biases.length === 0) {
    throw usageError(`--method bitfit: ${model.checkpoint.name} (${model.family}) has no biases to train.`);
  }
  return wholePlan('bitfit', biases);
}

export const bitfit = {
  title: 'BitFit',
  source: 'arXiv 2106.10199',
  places: 'itself',
  trainsEveryLayer: true,
  settings: {},
  usual: { lr: 1e-3 },
  plan: (_settings, _where, model) => bitfitPlan(model),
  format: plainFormat(z.strictObject({}), (_settings, model) => bitfitPlan(model)),
} satisfies MethodOf<unknown>;
