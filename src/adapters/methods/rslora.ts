import type { Model } from '../../models/model.js';
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
