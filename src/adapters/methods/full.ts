import * as z from 'zod';
import type { Model } from '../../models/model.js';
import { plainFormat } from '../format.js';
import type { MethodOf } from '../method.js';
import type { AdapterPlan } from '../plan.js';
import { wholePlan } from '../whole.js';

/** Full fine-tuning: every tensor of the backbone. */
export function fullPlan(model: Model): AdapterPlan {
  return wholePlan('full', [...model.backbone.keys()]);
}

export const full = {
  title: 'full fine-tuning',
  source: 'arXiv 1810.04805',
  places: 'itself',
  trainsEveryLayer: true,
  settings: {},
  usual: { lr: 5e-5 },
  plan: (_settings, _where, model) => fullPlan(model),
  format: plainFormat(z.strictObject({}), (_settings, model) => fullPlan(model)),
} satisfies MethodOf<unknown>;
