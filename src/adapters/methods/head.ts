import type { Model } from '../../models/model.js';
import type { MethodOf } from '../method.js';
import { loraType } from '../peft/loraType.js';
import { type AdapterPlan, noAdapters } from '../plan.js';

/**
 * Only the head is trained. PEFT refuses an adapter without a low-rank pair, so the file gets one on the last module
 * that is all zeros.
 */
export function headPlan(model: Model): AdapterPlan {
  const { path, inFeatures, outFeatures } = model.adaptable.at(-1)!;
  return {
    ...noAdapters,
    method: 'head',
    save: () => ({
      format: 'peft',
      type: loraType,
      rank: 1,
      alpha: 1,
      rankPattern: {},
      alphaPattern: {},
      modules: new Map([
        [
          path,
          {
            'lora_A.weight': { name: 'lora_A', shape: [1, inFeatures], data: new Float32Array(inFeatures) },
            'lora_B.weight': { name: 'lora_B', shape: [outFeatures, 1], data: new Float32Array(outFeatures) },
          },
        ],
      ]),
      shared: [],
      fields: {},
    }),
  };
}

export const head = {
  title: 'head only',
  source: '',
  places: 'itself',
  settings: {},
  usual: { lr: 5e-4 },
  plan: (_settings, _where, model) => headPlan(model),
  format: { format: 'peft', type: loraType },
} satisfies MethodOf<unknown>;
