import type { Model } from '../../models/model.js';
import { fitRanks } from '../fit.js';
import { loraDefaults, loraSettings, usualLora } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import type { AdapterPlan, Where } from '../plan.js';
import { type LoraSettings, loraPlan } from './lora.js';

/** Rank-stabilised LoRA (arXiv 2312.03732, theorem 3.2): LoRA scaled by alpha / √rank. */
export function rsLoraPlan(settings: LoraSettings, where: Where, model: Model): AdapterPlan {
  return loraPlan(settings, where, model, {
    method: 'rslora',
    scaling: (alpha, rank) => alpha / Math.sqrt(rank),
    fields: { use_rslora: true },
  });
}

export const rslora = {
  title: 'rsLoRA',
  source: 'arXiv 2312.03732',
  places: 'selected',
  settings: loraSettings,
  defaults: loraDefaults,
  usual: usualLora,
  plan: rsLoraPlan,
  fit: fitRanks(rsLoraPlan),
} satisfies MethodOf<LoraSettings>;
