import { DiffoError } from '../../errors.js';
import { isJsonObject } from '../../files/json.js';
import { taskTypes } from '../../models/model.js';
import { type PeftType, peftTypes } from '../contents.js';
import { PEFT_VERSION, peftKinds } from './kinds.js';
import type { PeftAdapter } from './types.js';

/** What adapter_config.json says, before the tensors are known. */
export interface PeftConfig extends Omit<PeftAdapter, 'modules' | 'shared' | 'saved' | 'biases' | 'targetModules'> {
  /** As written: module paths or their ends, or one regular expression in Python's syntax. */
  readonly target: readonly string[] | string;
  /** Fields that PEFT 0.21 does not know; kept in `fields`. */
  readonly unknownFields: readonly string[];
}

/** Fields that have a place of their own in PeftAdapter. */
const modelled = [
  'alpha_pattern',
  'base_model_name_or_path',
  'lora_alpha',
  'modules_to_save',
  'peft_type',
  'revision',
  'target_modules',
  'task_type',
];

/**
 * Interprets adapter_config.json.
 *
 * @param path of the file, for messages
 * @throws DiffoError for a field that is missing, malformed, or asks for what is not supported
 */
export function parseConfig(json: Readonly<Record<string, unknown>>, path: string): PeftConfig {
  const fault = (what: string) => new DiffoError(`${path}: ${what}. Save the adapter again, or correct the field.`);
  const peftType = peftTypes.find((one) => one === json.peft_type);
  if (peftType === undefined) {
    throw new DiffoError(
      `${path}: "peft_type" is ${JSON.stringify(json.peft_type)}; adapters of ${peftTypes.join(', ')} are read.`,
    );
  }
  const kind = peftKinds[peftType];
  const taskType = taskTypes.find((one) => one === json.task_type);
  if (taskType === undefined) {
    throw new DiffoError(
      `${path}: "task_type" is ${JSON.stringify(json.task_type)}; supported are ${taskTypes.join(', ')}.`,
    );
  }
  for (const [field, harmless] of Object.entries(kind.harmless)) {
    if (json[field] === undefined || harmless.includes(json[field])) continue;
    throw new DiffoError(
      `${path}: "${field}" is ${JSON.stringify(json[field])}, which is not supported.${cure(field)}`,
    );
  }
  const { base_model_name_or_path: baseModel, revision, lora_alpha: alpha, target_modules: target } = json;
  const rank = json[kind.rankField];
  if (typeof baseModel !== 'string' || baseModel === '') throw fault('"base_model_name_or_path" must be a text');
  if (!isRank(rank)) throw fault(`"${kind.rankField}" must be a positive integer`);
  if (kind.hasAlpha && !isPositive(alpha)) throw fault('"lora_alpha" must be a positive number');
  if (typeof target !== 'string' && !isTexts(target)) throw fault('"target_modules" must be a list of module names');
  const modulesToSave = json.modules_to_save ?? [];
  if (!isTexts(modulesToSave)) throw fault('"modules_to_save" must be a list of module names');
  if (revision !== undefined && revision !== null && typeof revision !== 'string') {
    throw fault('"revision" must be a text');
  }
  const ranks = hasRankPattern(peftType) ? pattern(json.rank_pattern, isRank) : {};
  if (peftType === 'ADALORA' && !isRankLists(json.rank_pattern)) {
    throw fault('"rank_pattern" must map names to lists of true and false');
  }
  return {
    peftType,
    baseModel,
    ...(revision ? { revision } : {}),
    taskType,
    rank,
    alpha: kind.hasAlpha ? (alpha as number) : 1,
    rankPattern: ranks ?? raise(fault('"rank_pattern" must map names to integers')),
    alphaPattern: pattern(json.alpha_pattern, isPositive) ?? raise(fault('"alpha_pattern" must map names to numbers')),
    target,
    modulesToSave: [...new Set(modulesToSave)],
    fields: Object.fromEntries(Object.entries(json).filter(([field]) => !isModelled(field, peftType))),
    unknownFields: Object.keys(json).filter((field) => !Object.hasOwn(kind.defaults, field)),
  };
}

const hasRankPattern = (type: PeftType) => type === 'LORA';

function isModelled(field: string, type: PeftType): boolean {
  return (
    modelled.includes(field) ||
    field === peftKinds[type].rankField ||
    (field === 'rank_pattern' && hasRankPattern(type))
  );
}

function cure(field: string): string {
  if (field !== 'init_lora_weights') return '';
  return ' PEFT changes the base weights for it: save it as plain LoRA (path_initial_model_for_weight_conversion).';
}

/** The text of adapter_config.json as PEFT writes it: every field, sorted, indented by 2. */
export function configText(adapter: Omit<PeftAdapter, 'modules' | 'shared' | 'saved' | 'biases'>): string {
  const kind = peftKinds[adapter.peftType];
  const fields: Record<string, unknown> = {
    ...kind.defaults,
    ...adapter.fields,
    ...(kind.hasAlpha ? { alpha_pattern: adapter.alphaPattern, lora_alpha: adapter.alpha } : {}),
    ...(hasRankPattern(adapter.peftType) ? { rank_pattern: adapter.rankPattern } : {}),
    base_model_name_or_path: adapter.baseModel,
    inference_mode: true,
    modules_to_save: adapter.modulesToSave.length > 0 ? adapter.modulesToSave : null,
    peft_type: adapter.peftType,
    peft_version: PEFT_VERSION,
    [kind.rankField]: adapter.rank,
    revision: adapter.revision ?? null,
    target_modules: adapter.targetModules,
    task_type: adapter.taskType,
  };
  return JSON.stringify(sortKeys(fields), null, 2);
}

/** Rank of a module: as its pattern says, else the adapter's. */
export function rankOf(
  adapter: Pick<PeftAdapter, 'peftType' | 'rank' | 'rankPattern' | 'fields'>,
  module: string,
): number {
  return peftKinds[adapter.peftType].rankOf?.(adapter, module) ?? lookUp(adapter.rankPattern, module) ?? adapter.rank;
}

/** Alpha of a module: as its pattern says, else the adapter's. */
export function alphaOf(adapter: Pick<PeftAdapter, 'alpha' | 'alphaPattern'>, module: string): number {
  return lookUp(adapter.alphaPattern, module) ?? adapter.alpha;
}

/** What B A x is multiplied by in LoRA: alpha / rank, or alpha / √rank where it is rank-stabilised (arXiv 2312.03732). */
export function scalingOf(
  adapter: Pick<PeftAdapter, 'peftType' | 'rank' | 'alpha' | 'rankPattern' | 'alphaPattern' | 'fields'>,
  module: string,
): number {
  const rank = rankOf(adapter, module);
  return alphaOf(adapter, module) / (adapter.fields.use_rslora === true ? Math.sqrt(rank) : rank);
}

/** PEFT's `get_pattern_key`: the first key that, as a regular expression, matches the path or its end. */
function lookUp(patterns: Readonly<Record<string, number>>, module: string): number | undefined {
  if (Object.hasOwn(patterns, module)) return patterns[module];
  const key = Object.keys(patterns).find((pattern) => matchesEnd(pattern, module));
  return key === undefined ? undefined : patterns[key];
}

/** Loops in a loop, or many one after the other, can take longer than anybody waits, and an adapter may be anybody's. */
function isTame(pattern: string): boolean {
  return !/\)[*+{]/.test(pattern) && (pattern.match(/[*+{]/g)?.length ?? 0) <= 3;
}

function matchesEnd(pattern: string, module: string): boolean {
  try {
    if (!isTame(pattern)) throw new Error('it has too many loops');
    return new RegExp(`^(.*\\.)?(${pattern})$`).test(module);
  } catch (cause) {
    throw new DiffoError(
      `adapter_config.json: the pattern "${pattern}" is not understood. Write the full path of the module instead.`,
      { cause },
    );
  }
}

function pattern(value: unknown, valid: (one: unknown) => boolean): Record<string, number> | undefined {
  if (value === undefined || value === null) return {};
  return isJsonObject(value) && Object.values(value).every(valid) ? (value as Record<string, number>) : undefined;
}

function isRankLists(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const isList = (one: unknown) => Array.isArray(one) && one.every((kept) => typeof kept === 'boolean');
  return isJsonObject(value) && Object.values(value).every(isList);
}

function isRank(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '');
}

function raise(error: Error): never {
  throw error;
}

/** As Python's `sort_keys` does, at every depth. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => [key, sortKeys(entry)]),
  );
}
