import type { Model } from '../../models/model.js';
import { fitRanks } from '../fit.js';
import { type LoraSettings, loraDefaults, loraSettings, usualLora } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import { loraSettingsOf, loraType } from '../peft/loraType.js';
import type { AdapterPlan, Where } from '../plan.js';
import { loraPlan } from './lora.js';

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
  format: {
    format: 'peft',
    type: loraType,
    reader: {
      matches: ({ use_dora, use_rslora }) => use_dora !== true && use_rslora === true,
      plan: (adapter, where, model) => rsLoraPlan(loraSettingsOf(adapter, where.own), where, model),
    },
  },
} satisfies MethodOf<LoraSettings>;
