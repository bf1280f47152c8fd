import { DiffoError } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';
import { type TaskType, taskTypes } from '../../models/model.js';
import { peftTypes } from '../registry.js';
import { targetingFault } from './targets.js';
import type { PeftType } from './type.js';
import type { PeftAdapter } from './types.js';

/** What adapter_config.json says, before the tensors are known. */
export interface PeftConfig
  extends Omit<PeftAdapter, 'modules' | 'shared' | 'saved' | 'biases' | 'embeddings' | 'targetModules'> {
  /** As written: module paths or their ends, or one regular expression in Python's syntax. */
  readonly target: readonly string[] | string;
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

/** What may be said in the place of a field that is null. */
export interface GivenOfAdapter {
  readonly taskType?: TaskType | undefined;
  /** Name or path of the base model. */
  readonly baseModel?: string | undefined;
}

/**
 * Interprets adapter_config.json.
 *
 * @param path of the file, for messages
 * @throws DiffoError for a field that is missing, malformed, or asks for what is not supported
 */
export function parseConfig(
  json: Readonly<Record<string, unknown>>,
  path: string,
  given: GivenOfAdapter = {},
): PeftConfig {
  const fault = (what: string) => new DiffoError(`${path}: ${what}. Save the adapter again, or correct the field.`);
  const type = peftTypes.find(({ name }) => name === json.peft_type);
  if (type === undefined) {
    const known = peftTypes.map(({ name }) => name).join(', ');
    throw new DiffoError(`${path}: "peft_type" is ${JSON.stringify(json.peft_type)}; adapters of ${known} are read.`);
  }
  const taskType = taskTypes.find((one) => one === (json.task_type ?? given.taskType));
  if (taskType === undefined) {
    if (json.task_type === undefined || json.task_type === null) {
      throw new DiffoError(
        `${path}: "task_type" is not said. Give --task-type: what the outputs of the model are (${taskTypes.join(', ')}).`,
      );
    }
    throw new DiffoError(
      `${path}: "task_type" is ${JSON.stringify(json.task_type)}; supported are ${taskTypes.join(', ')}.`,
    );
  }
  refuseFields(json, type, path);
  const { revision, lora_alpha: alpha, target_modules: target } = json;
  const rank = type.rankField === undefined ? 1 : json[type.rankField];
  const baseModel = json.base_model_name_or_path || given.baseModel;
  if (baseModel === undefined) {
    throw new DiffoError(`${path}: "base_model_name_or_path" is not said. Give the base model by --model.`);
  }
  if (typeof baseModel !== 'string') throw fault('"base_model_name_or_path" must be a text');
  if (!isRank(rank)) throw fault(`"${type.rankField}" must be a positive integer`);
  if (type.hasAlpha && !isPositive(alpha)) throw fault('"lora_alpha" must be a positive number');
  if (typeof target !== 'string' && !isTexts(target)) throw fault('"target_modules" must be a list of module names');
  const modulesToSave = json.modules_to_save ?? [];
  if (!isTexts(modulesToSave)) throw fault('"modules_to_save" must be a list of module names');
  if (revision !== undefined && revision !== null && typeof revision !== 'string') {
    throw fault('"revision" must be a text');
  }
  const ranks = type.hasRankPattern ? pattern(json.rank_pattern, isRank) : {};
  const own = targetingFault(json) ?? dropoutFault(json) ?? type.faultOf?.(json);
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
  };
}

function dropoutFault(json: Readonly<Record<string, unknown>>): string | undefined {
  const isRate = (one: unknown) =>
    one === undefined || one === null || (typeof one === 'number' && one >= 0 && one <= 1);
  const wrong = ['lora_dropout', 'vera_dropout'].find((field) => !isRate(json[field]));
  return wrong === undefined ? undefined : `"${wrong}" must be a number between 0 and 1`;
}

/** @throws DiffoError for the first field that asks for what is not done, or that nobody knows */
function refuseFields(json: Readonly<Record<string, unknown>>, { name, fields }: PeftType, path: string): void {
  for (const [field, value] of Object.entries(json)) {
    const known = Object.hasOwn(fields, field) ? fields[field]! : undefined;
    if (value === null) continue;
    if (known === undefined) {
      throw new DiffoError(
        `${path}: "${field}" is no field of ${name} in PEFT 0.21, so what it asks for is not known. Take it out where it changes nothing.`,
      );
    }
    if (known.use !== 'refused') {
      if (known.values === undefined || known.values.includes(value)) continue;
      const values = known.values.map((one) => JSON.stringify(one)).join(', ');
      throw new DiffoError(`${path}: "${field}" is ${JSON.stringify(value)}; it has to be one of ${values}.`);
    }
    if (known.neutral.includes(value)) continue;
    const reason = known.reason === undefined ? '' : ` ${known.reason}`;
    throw new DiffoError(`${path}: "${field}" is ${JSON.stringify(value)}, which is not supported.${reason}`);
  }
}

function isModelled(field: string, { rankField, hasRankPattern }: PeftType): boolean {
  return modelled.includes(field) || field === rankField || (field === 'rank_pattern' && hasRankPattern);
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
