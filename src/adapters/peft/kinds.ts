import { isJsonObject } from '../../files/json.js';
import type { PeftContents, PeftType } from '../contents.js';

/** The version whose files these are. */
export const PEFT_VERSION = '0.21.0';

/** Every field of adapter_config.json that PEFT 0.21.0 writes for a LoraConfig, with the value of a plain LoRA. */
const loraDefaults: Readonly<Record<string, unknown>> = {
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

/** Fields that make LoRA compute something that diffora does not, and their harmless values. */
const loraHarmless: Readonly<Record<string, readonly unknown[]>> = {
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

type Shapes = Readonly<Record<string, readonly (number | 'in' | 'out')[]>>;

/** One of PEFT's formats. */
export interface PeftKind {
  /** Every field that PEFT 0.21 writes for it, with its usual value. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Fields with a restricted choice: what else they may say is not supported. */
  readonly harmless: Readonly<Record<string, readonly unknown[]>>;
  /** Field of the rank. */
  readonly rankField: string;
  readonly hasAlpha: boolean;
  /** The tensors of an adapted module by what follows its path in the file, with their shapes. */
  readonly tensors: (fields: Readonly<Record<string, unknown>>, rank: number) => Shapes;
  /** Tensors of no module, with their shapes. */
  readonly shared: (fields: Readonly<Record<string, unknown>>, rank: number) => Shapes;
  /** Rank of a module where it is not the adapter's. */
  readonly rankOf?: (adapter: Pick<PeftContents, 'fields'>, module: string) => number | undefined;
}

export const peftKinds: Readonly<Record<PeftType, PeftKind>> = {
  LORA: {
    defaults: loraDefaults,
    harmless: loraHarmless,
    rankField: 'r',
    hasAlpha: true,
    tensors: ({ use_dora: dora }, rank) => ({
      'lora_A.weight': [rank, 'in'],
      'lora_B.weight': ['out', rank],
      ...(dora === true ? { lora_magnitude_vector: ['out'] as const } : {}),
    }),
    shared: () => ({}),
  },
  ADALORA: {
    defaults: {
      ...loraDefaults,
      beta1: 0.85,
      beta2: 0.85,
      deltaT: 1,
      init_r: 12,
      orth_reg_weight: 0.5,
      peft_type: 'ADALORA',
      rank_pattern: null,
      target_r: 8,
      tfinal: 0,
      tinit: 0,
      total_step: null,
    },
    harmless: { ...loraHarmless, use_dora: [false] },
    rankField: 'init_r',
    hasAlpha: true,
    tensors: (_, rank) => ({ lora_A: [rank, 'in'], lora_B: ['out', rank], lora_E: [rank, 1] }),
    shared: () => ({}),
    rankOf: ({ fields }, module) => adaLoraRank(fields.rank_pattern, module),
  },
  VERA: {
    defaults: {
      auto_mapping: null,
      base_model_name_or_path: null,
      bias: 'none',
      d_initial: 0.1,
      fan_in_fan_out: false,
      inference_mode: true,
      init_weights: true,
      layers_pattern: null,
      layers_to_transform: null,
      modules_to_save: null,
      peft_type: 'VERA',
      peft_version: PEFT_VERSION,
      projection_prng_key: 0,
      r: 256,
      revision: null,
      save_projection: true,
      target_modules: null,
      task_type: null,
      vera_dropout: 0,
    },
    harmless: { bias: ['none'], save_projection: [true] },
    rankField: 'r',
    hasAlpha: false,
    tensors: (_, rank) => ({ vera_lambda_b: ['out'], vera_lambda_d: [rank] }),
    shared: (_, rank) => ({ vera_A: [rank, 'in'], vera_B: ['out', rank] }),
  },
};

/** `rank_pattern` of AdaLoRA says of every rank of a module whether it is left. */
function adaLoraRank(pattern: unknown, module: string): number | undefined {
  if (!isJsonObject(pattern)) return undefined;
  const kept = pattern[`${module}.lora_E`];
  return Array.isArray(kept) ? kept.filter((one) => one === true).length : undefined;
}
