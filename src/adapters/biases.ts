import type { Model } from '../models/model.js';
import type { Placement } from './plan.js';

/** Which biases of the base model are trained beside an adapter, as PEFT names the choices. */
export const biasTrainings = ['none', 'lora_only', 'all'] as const;
export type BiasTraining = (typeof biasTrainings)[number];

/** Names of every bias of the backbone. */
export function allBiases(model: Model): string[] {
  return [...model.backbone.keys()].filter((name) => name.endsWith('.bias'));
}

/** Names of the biases that are trained: none, those of the adapted modules, or all of the backbone. */
export function biasesOf(training: BiasTraining, model: Model | undefined, placements: readonly Placement[]): string[] {
  if (training === 'none') return [];
  if (model === undefined) throw new Error('training biases needs the model');
  if (training === 'all') return allBiases(model);
  return placements.map(({ module }) => `${module.path}.bias`).filter((name) => model.backbone.has(name));
}
