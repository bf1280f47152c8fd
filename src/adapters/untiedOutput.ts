import type { Model } from '../models/model.js';
import type { AdapterPlan } from './plan.js';

/** What config.json says of an output over the vocabulary that has a tensor of its own. */
export const untied = { tie_word_embeddings: false };

/**
 * True where a tied output needs a tensor of its own once an adapter is folded in: it keeps the checkpoint's embeddings, has
 * values of its own, or the adapter acts on it, or on the embeddings that it is tied to, which PEFT never adapts alike.
 */
export function isOutputUntied(plan: AdapterPlan, model: Pick<Model, 'tied'>): boolean {
  if (model.tied.size === 0 || plan.untied === true) return model.tied.size > 0;
  const own = [...plan.replaced, ...(plan.fixed ?? [])];
  const isAdapted = (name: string) => plan.placements.some(({ module }) => `${module.path}.weight` === name);
  return [...model.tied].flat().some(isAdapted) || own.some((name) => model.tied.has(name));
}
