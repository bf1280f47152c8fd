import { isNamed } from '../plan.js';
import { usualHeads } from './check.js';
import { layerOf, matchesWhole, matchesWithin } from './patterns.js';
import type { PeftAdapter } from './types.js';

/** What of a configuration decides which modules are adapted. */
export interface Targeting extends Pick<PeftAdapter, 'taskType' | 'modulesToSave' | 'fields'> {
  /** As written: module paths or their ends, or one regular expression. */
  readonly target: readonly string[] | string;
}

/** True where PEFT would adapt a linear module or an embedding of that path (`check_target_module_exists`). */
export function isTargeted(targeting: Targeting, path: string): boolean {
  const { target, fields, modulesToSave, taskType } = targeting;
  if (isExcluded(fields.exclude_modules, path)) return false;
  // A module that is saved whole is never adapted too.
  const saved = [...modulesToSave, ...usualHeads[taskType]];
  if (saved.some((entry) => matchesWithin('modules_to_save', entry, path))) return false;
  if (typeof target === 'string') return isAllLinear(target) || matchesWhole('target_modules', target, path);
  if (target.includes(path)) return true;
  return target.some((entry) => isNamed(path, entry)) && isInLayers(fields, path);
}

/** PEFT's short word for every linear module but the output's; which those are, the tensors say. */
export function isAllLinear(target: Targeting['target']): boolean {
  return typeof target === 'string' && target.toLowerCase() === 'all-linear';
}

/** What is wrong with the fields that decide; undefined where nothing is. */
export function targetingFault(fields: Readonly<Record<string, unknown>>): string | undefined {
  const { exclude_modules: excluded, layers_to_transform: layers, layers_pattern: pattern } = fields;
  if (!isAbsent(excluded) && !(typeof excluded === 'string' || isTexts(excluded))) {
    return '"exclude_modules" must be a list of module names, or one regular expression';
  }
  if (!isAbsent(pattern) && !(typeof pattern === 'string' || isTexts(pattern)))
    return '"layers_pattern" must be a text or a list of texts';
  const numbers = Array.isArray(layers) ? layers : [layers];
  if (!isAbsent(layers) && !numbers.every((one) => Number.isSafeInteger(one))) {
    return '"layers_to_transform" must be a whole number or a list of them';
  }
  return undefined;
}

function isExcluded(excluded: unknown, path: string): boolean {
  if (typeof excluded === 'string') return excluded !== '' && matchesWhole('exclude_modules', excluded, path);
  return isTexts(excluded) && excluded.some((entry) => isNamed(path, entry));
}

function isInLayers(fields: Targeting['fields'], path: string): boolean {
  const { layers_to_transform: layers, layers_pattern: pattern } = fields;
  if (isAbsent(layers) || (Array.isArray(layers) && layers.length === 0)) return true;
  const named = typeof pattern === 'string' ? [pattern] : isTexts(pattern) ? pattern : [];
  const patterns = named.filter((one) => one !== '');
  for (const one of patterns.length === 0 ? [undefined] : patterns) {
    const layer = layerOf('layers_pattern', one, path);
    if (layer !== undefined) return Array.isArray(layers) ? layers.includes(layer) : layers === layer;
  }
  return false;
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
