import type { AdaptableModule } from '../../models/model.js';
import type { LoraSettings } from '../loraSettings.js';
import { alphaOf, rankOf } from './ranks.js';
import { type Fields, PEFT_VERSION, type PeftType } from './type.js';
import type { PeftAdapter } from './types.js';

/** Every field of adapter_config.json that PEFT 0.21.0 writes for a LoraConfig, with the value of a plain LoRA. */
const loraDefaults: Fields = {
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

/** Fields that may make LoRA compute something that diffora does not, and the values that it honours. */
const honoured: Readonly<Record<string, readonly unknown[]>> = {
  alora_invocation_tokens: [null],
  arrow_config: [null],
  bias: ['none', 'all', 'lora_only'],
  init_lora_weights: [true, false, 'gaussian', 'orthogonal', 'eva'],
  kasa_config: [null],
  layer_replication: [null],
  lora_bias: [false],
  megatron_config: [null],
  monteclora_config: [null],
  target_parameters: [null],
  trainable_token_indices: [null],
  use_bdlora: [null, false],
  use_dora: [false, true],
  use_qalora: [false],
  velora_config: [null],
};

/** Files of LoRA and of those of its relatives that PEFT knows by a field: `use_dora`, `use_rslora`. */
export const loraType: PeftType = {
  name: 'LORA',
  defaults: loraDefaults,
  honoured,
  cures: {
    init_lora_weights:
      'PEFT changes the base weights for it: save it as plain LoRA (path_initial_model_for_weight_conversion).',
  },
  rankField: 'r',
  hasAlpha: true,
  hasRankPattern: true,
  tensors: ({ use_dora: dora }) => ({
    'lora_A.weight': ['rank', 'in'],
    'lora_B.weight': ['out', 'rank'],
    ...(dora === true ? { lora_magnitude_vector: ['out'] } : {}),
  }),
  shared: {},
};

/** LoRA's settings as a file says them, rank and alpha for every module. */
export function loraSettingsOf(adapter: PeftAdapter, own: readonly AdaptableModule[]): LoraSettings {
  const { rank, alpha, fields } = adapter;
  const byPath = (of: (path: string) => number) => Object.fromEntries(own.map(({ path }) => [path, of(path)]));
  return {
    rank,
    alpha,
    ranks: byPath((path) => rankOf(adapter, path)),
    alphas: byPath((path) => alphaOf(adapter, path)),
    loraDropout: typeof fields.lora_dropout === 'number' ? fields.lora_dropout : 0,
  };
}
