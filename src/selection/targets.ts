import { isNamed } from '../adapters/plan.js';
import { nearestNames, usageError } from '../errors.js';
import type { AdaptableModule, Model } from '../models/model.js';

/**
 * The adaptable modules that `targets` name. A target is a full path, or its end at a dot (`query`,
 * `attention.output.dense`, `layer.0.output.dense`), as in PEFT's target_modules; `all` means every adaptable module.
 * @throws DiffoError (usage) for a target that matches nothing, with the nearest names
 */
export function matchTargets(model: Model, targets: readonly string[]): AdaptableModule[] {
  if (targets.includes('all')) return [...model.adaptable];
  for (const target of targets) {
    if (model.adaptable.some(({ path }) => isNamed(path, target))) continue;
    const ends = new Set(model.adaptable.flatMap(({ module }) => [module, module.split('.').at(-1)!]));
    const nearest = nearestNames(target, [...ends]).join(', ');
    throw usageError(`--targets ${target} matches no linear module of ${model.checkpoint.name}; nearest: ${nearest}.`);
  }
  return model.adaptable.filter(({ path }) => targets.some((target) => isNamed(path, target)));
}

/**
 * Rank at which LoRA on `modules` has as many trainable numbers as `budget`, as near as a whole rank allows.
 * @returns at least 1
 */
export function rankForBudget(modules: readonly AdaptableModule[], budget: number): number {
  const perRank = modules.reduce((total, { inFeatures, outFeatures }) => total + inFeatures + outFeatures, 0);
  return Math.max(1, Math.round(budget / perRank));
}

/**
 * The model as the search sees it when only some columns may be adapted.
 * @throws DiffoError (usage) when the targets leave out a column in some layers and not in others
 */
export function restrictColumns(model: Model, targets: readonly string[]): Model {
  const adaptable = matchTargets(model, targets);
  const modules = model.modules.filter((module) => adaptable.some((one) => one.module === module));
  if (adaptable.length !== model.adaptable.filter(({ module }) => modules.includes(module)).length) {
    throw usageError(`--targets ${targets.join(',')}: a search needs the same modules in every layer.`);
  }
  return { ...model, adaptable, modules };
}
