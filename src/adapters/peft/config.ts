import { DiffoError } from '../../errors.js';
import { isJsonObject } from '../../files/json.js';
import { taskTypes } from '../../models/model.js';
import type { PeftAdapter } from './types.js';

/** The version whose files these are. */
export const PEFT_VERSION = '0.21.0';

/** Every field of adapter_config.json that PEFT 0.21.0 writes for a LoraConfig, with the value of a plain LoRA. */
export const LORA_CONFIG_DEFAULTS: Readonly<Record<string, unknown>> = {
  alora_invocation_tokens: null,
  alpha_pattern: {},
  arrow_config: null,
  auto_mapping: null,
  base_model_name_or_path: null,
  bias: 'none',
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  kasa_config: null,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_alpha: 8,
  lora_bias: false,
  lora_dropout: 0,
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: 'megatron.core',
  modules_to_save: null,
  monteclora_config: null,
  peft_type: 'LORA',
  peft_version: PEFT_VERSION,
  qalora_group_size: 16,
  r: 8,
  rank_pattern: {},
  revision: null,
  target_modules: null,
  target_parameters: null,
  task_type: null,
  trainable_token_indices: null,
  use_bdlora: null,
  use_dora: false,
  use_qalora: false,
  use_rslora: false,
  velora_config: null,
};

/** Fields that make an adapter compute something else than h = W0 x + scaling · B A x, and their harmless values. */
const PLAIN_ONLY: Readonly<Record<string, readonly unknown[]>> = {
  alora_invocation_tokens: [null],
  arrow_config: [null],
  bias: ['none'],
  init_lora_weights: [true, false, 'gaussian', 'orthogonal', 'eva'],
  kasa_config: [null],
  layer_replication: [null],
  lora_bias: [false],
  megatron_config: [null],
  monteclora_config: [null],
  target_parameters: [null],
  trainable_token_indices: [null],
  use_bdlora: [null, false],
  use_dora: [false],
  use_qalora: [false],
  velora_config: [null],
};

/** What adapter_config.json says, before the tensors are known. */
export interface PeftConfig extends Omit<PeftAdapter, 'lora' | 'saved' | 'targetModules'> {
  /** As written: module paths or their ends, or one regular expression in Python's syntax. */
  readonly target: readonly string[] | string;
  /** Fields that PEFT 0.21 does not know; kept in `otherFields`. */
  readonly unknownFields: readonly string[];
}

/** Fields that have a place of their own in PeftAdapter. */
const MODELLED = [
  'alpha_pattern',
  'base_model_name_or_path',
  'lora_alpha',
  'modules_to_save',
  'peft_type',
  'r',
  'rank_pattern',
  'revision',
  'target_modules',
  'task_type',
];

/**
 * Interprets adapter_config.json.
 *
 * @param path of the file, for messages
 * @throws DiffoError for a field that is missing, malformed, or asks for a method other than plain LoRA
 */
export function parseConfig(json: Readonly<Record<string, unknown>>, path: string): PeftConfig {
  const fault = (what: string) => new DiffoError(`${path}: ${what}. Save the adapter again, or correct the field.`);
  if (json.peft_type !== 'LORA') {
    throw new DiffoError(`${path}: "peft_type" is ${JSON.stringify(json.peft_type)}; only "LORA" adapters are read.`);
  }
  const taskType = taskTypes.find((one) => one === json.task_type);
  if (taskType === undefined) {
    throw new DiffoError(
      `${path}: "task_type" is ${JSON.stringify(json.task_type)}; supported are ${taskTypes.join(', ')}.`,
    );
  }
  for (const [field, plain] of Object.entries(PLAIN_ONLY)) {
    if (json[field] !== undefined && !plain.includes(json[field])) {
      throw new DiffoError(
        `${path}: "${field}" is ${JSON.stringify(json[field])}, which is more than plain LoRA: not supported.`,
      );
    }
  }
  const { base_model_name_or_path: baseModel, revision, r: rank, lora_alpha: alpha, target_modules: target } = json;
  if (typeof baseModel !== 'string' || baseModel === '') throw fault('"base_model_name_or_path" must be a text');
  if (!isRank(rank)) throw fault('"r" must be a positive integer');
  if (!isPositive(alpha)) throw fault('"lora_alpha" must be a positive number');
  if (typeof target !== 'string' && !isTexts(target)) throw fault('"target_modules" must be a list of module names');
  const modulesToSave = json.modules_to_save ?? [];
  if (!isTexts(modulesToSave)) throw fault('"modules_to_save" must be a list of module names');
  if (revision !== undefined && revision !== null && typeof revision !== 'string') {
    throw fault('"revision" must be a text');
  }
  return {
    baseModel,
    ...(revision ? { revision } : {}),
    taskType,
    rank,
    alpha,
    rankPattern: pattern(json.rank_pattern, isRank) ?? raise(fault('"rank_pattern" must map names to integers')),
    alphaPattern: pattern(json.alpha_pattern, isPositive) ?? raise(fault('"alpha_pattern" must map names to numbers')),
    target,
    modulesToSave: [...new Set(modulesToSave)],
    otherFields: Object.fromEntries(Object.entries(json).filter(([field]) => !MODELLED.includes(field))),
    unknownFields: Object.keys(json).filter((field) => !Object.hasOwn(LORA_CONFIG_DEFAULTS, field)),
  };
}

/** The text of adapter_config.json as PEFT writes it: every field, sorted, indented by 2. */
export function configText(adapter: Omit<PeftAdapter, 'lora' | 'saved'>): string {
  const fields: Record<string, unknown> = {
    ...LORA_CONFIG_DEFAULTS,
    ...adapter.otherFields,
    alpha_pattern: adapter.alphaPattern,
    base_model_name_or_path: adapter.baseModel,
    inference_mode: true,
    lora_alpha: adapter.alpha,
    modules_to_save: adapter.modulesToSave.length > 0 ? adapter.modulesToSave : null,
    peft_version: PEFT_VERSION,
    r: adapter.rank,
    rank_pattern: adapter.rankPattern,
    revision: adapter.revision ?? null,
    target_modules: adapter.targetModules,
    task_type: adapter.taskType,
  };
  return JSON.stringify(sortKeys(fields), null, 2);
}

/** Rank of a module: its entry in `rankPattern`, else the adapter's. */
export function rankOf(adapter: Pick<PeftAdapter, 'rank' | 'rankPattern'>, module: string): number {
  return lookUp(adapter.rankPattern, module) ?? adapter.rank;
}

/** What B A x is multiplied by: alpha / rank, or alpha / √rank for rank-stabilised LoRA (arXiv 2312.03732). */
export function scalingOf(
  adapter: Pick<PeftAdapter, 'rank' | 'alpha' | 'rankPattern' | 'alphaPattern' | 'otherFields'>,
  module: string,
): number {
  const rank = rankOf(adapter, module);
  const alpha = lookUp(adapter.alphaPattern, module) ?? adapter.alpha;
  return alpha / (adapter.otherFields.use_rslora === true ? Math.sqrt(rank) : rank);
}

/** PEFT's `get_pattern_key`: the first key that, as a regular expression, matches the path or its end. */
function lookUp(patterns: Readonly<Record<string, number>>, module: string): number | undefined {
  if (Object.hasOwn(patterns, module)) return patterns[module];
  const key = Object.keys(patterns).find((pattern) => matchesEnd(pattern, module));
  return key === undefined ? undefined : patterns[key];
}

function matchesEnd(pattern: string, module: string): boolean {
  try {
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
