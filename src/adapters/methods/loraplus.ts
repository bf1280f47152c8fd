import * as z from 'zod';
import type { Model } from '../../models/model.js';
import { fitRanks } from '../fit.js';
import { type LoraSettings, loraDefaults, loraSettings } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import { loraType } from '../peft/loraType.js';
import type { AdapterPlan, Where } from '../plan.js';
import { loraPlan } from './lora.js';

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

export const loraplus = {
  title: 'LoRA+',
  source: 'arXiv 2402.12354',
  places: 'selected',
  settings: {
    ...loraSettings,
    loraPlusRatio: z.number().positive().default(16).describe('learning rate of B over that of A'),
  },
  defaults: loraDefaults,
  usual: { lr: 1e-4, rank: 8 },
  plan: loraPlusPlan,
  fit: fitRanks(loraPlusPlan),
  format: { format: 'peft', type: loraType },
} satisfies MethodOf<LoraPlusSettings>;
