import { isJsonObject } from '../../files/jsonText.js';
import { PEFT_VERSION } from './type.js';
import type { PeftAdapter } from './types.js';

/** The text of adapter_config.json as PEFT writes it: every field, sorted, indented by 2. */
export function configText(adapter: Omit<PeftAdapter, 'modules' | 'shared' | 'saved' | 'biases'>): string {
  const { type } = adapter;
  const written = Object.entries(type.fields).filter(([field]) => field !== 'runtime_config');
  const fields: Record<string, unknown> = {
    ...Object.fromEntries(written.map(([field, { usual }]) => [field, usual])),
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
    // PEFT has no name for it, and takes an adapter of none.
    task_type: adapter.taskType === 'MASKED_LM' ? null : adapter.taskType,
  };
  return JSON.stringify(sortKeys(fields), null, 2);
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
