import { type AdapterPlan, noAdapters } from './plan.js';

/** A plan that trains tensors of the backbone themselves and adds none. */
export function wholePlan(method: string, replaced: readonly string[]): AdapterPlan {
  return { ...noAdapters, method, replaced, save: () => ({ format: 'diffora', tensors: [], settings: {} }) };
}
