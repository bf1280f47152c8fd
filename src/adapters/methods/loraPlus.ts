import type { Model } from '../../models/model.js';
import type { AdapterPlan, Where } from '../plan.js';
import { type LoraSettings, loraPlan } from './lora.js';

export interface LoraPlusSettings extends LoraSettings {
  /** Learning rate of B over that of A. */
  readonly loraPlusRatio: number;
}

/** LoRA+ (arXiv 2402.12354): LoRA whose B learns faster than its A. */
export function loraPlusPlan(settings: LoraPlusSettings, where: Where, model: Model): AdapterPlan {
  return loraPlan(settings, where, model, {
    method: 'loraplus',
    scaling: (alpha, rank) => alpha / rank,
    rateFactorOfB: settings.loraPlusRatio,
  });
}
