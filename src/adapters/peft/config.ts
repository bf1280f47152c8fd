import { DiffoError } from '../../errors.js';
import { isJsonObject } from '../../files/json.js';
import { taskTypes } from '../../models/model.js';
import { peftTypes } from '../registry.js';
import { PEFT_VERSION, type PeftType } from './type.js';
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
  const type = peftTypes.find(({ name }) => name === json.peft_type);
  if (type === undefined) {
    const known = peftTypes.map(({ name }) => name).join(', ');
    throw new DiffoError(`${path}: "peft_type" is ${JSON.stringify(json.peft_type)}; adapters of ${known} are read.`);
  }
  const taskType = taskTypes.find((one) => one === json.task_type);
  if (taskType === undefined) {
    throw new DiffoError(
      `${path}: "task_type" is ${JSON.stringify(json.task_type)}; supported are ${taskTypes.join(', ')}.`,
    );
  }
  for (const [field, honoured] of Object.entries(type.honoured)) {
    if (json[field] === undefined || honoured.includes(json[field])) continue;
    const cure = type.cures?.[field] === undefined ? '' : ` ${type.cures[field]}`;
    throw new DiffoError(`${path}: "${field}" is ${JSON.stringify(json[field])}, which is not supported.${cure}`);
  }
  const { base_model_name_or_path: baseModel, revision, lora_alpha: alpha, target_modules: target } = json;
  const rank = type.rankField === undefined ? 1 : json[type.rankField];
  if (typeof baseModel !== 'string' || baseModel === '') throw fault('"base_model_name_or_path" must be a text');
  if (!isRank(rank)) throw fault(`"${type.rankField}" must be a positive integer`);
  if (type.hasAlpha && !isPositive(alpha)) throw fault('"lora_alpha" must be a positive number');
  if (typeof target !== 'string' && !isTexts(target)) throw fault('"target_modules" must be a list of module names');
  const modulesToSave = json.modules_to_save ?? [];
  if (!isTexts(modulesToSave)) throw fault('"modules_to_save" must be a list of module names');
  if (revision !== undefined && revision !== null && typeof revision !== 'string') {
    throw fault('"revision" must be a text');
  }
  const ranks = type.hasRankPattern ? pattern(json.rank_pattern, isRank) : {};
  const own = type.faultOf?.(json);
  if (own !== undefined) throw fault(own);
  return {
    type,
    baseModel,
    ...(revision ? { revision } : {}),
    taskType,
    rank,
    alpha: type.hasAlpha ? (alpha as number) : 1,
    rankPattern: ranks ?? raise(fault('"rank_pattern" must map names to integers')),
    alphaPattern: pattern(json.alpha_pattern, isPositive) ?? raise(fault('"alpha_pattern" must map names to numbers')),
    target,
    modulesToSave: [...new Set(modulesToSave)],
    fields: Object.fromEntries(Object.entries(json).filter(([field]) => !isModelled(field, type))),
    unknownFields: Object.keys(json).filter((field) => !Object.hasOwn(type.defaults, field)),
  };
}

function isModelled(field: string, { rankField, hasRankPattern }: PeftType): boolean {
  return modelled.includes(field) || field === rankField || (field === 'rank_pattern' && hasRankPattern);
}

/** The text of adapter_config.json as PEFT writes it: every field, sorted, indented by 2. */
export function configText(adapter: Omit<PeftAdapter, 'modules' | 'shared' | 'saved' | 'biases'>): string {
  const { type } = adapter;
  const fields: Record<string, unknown> = {
    ...type.defaults,
    ...adapter.fields,
    ...(type.hasAlpha ? { alpha_pattern: adapter.alphaPattern, lora_alpha: adapter.alpha } : {}),
    ...(type.hasRankPattern ? { rank_pattern: adapter.rankPattern } : {}),
    base_model_name_or_path: adapter.baseModel,
    inference_mode: true,
    modules_to_save: adapter.modulesToSave.length > 0 ? adapter.modulesToSave : null,
    peft_type: type.name,
    peft_version: PEFT_VERSION,
    ...(type.rankField === undefined ? {} : { [type.rankField]: adapter.rank }),
    revision: adapter.revision ?? null,
    target_modules: adapter.targetModules,
    task_type: adapter.taskType,
  };
  return JSON.stringify(sortKeys(fields), null, 2);
}

function pattern(value: unknown, valid: (one: unknown) => boolean): Record<string, number> | undefined {
  if (value === undefined || value === null) return {};
  return isJsonObject(value) && Object.values(value).every(valid) ? (value as Record<string, number>) : undefined;
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
