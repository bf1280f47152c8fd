import type { AdaptableModule } from '../../models/model.js';
import type { LoraSettings } from '../loraSettings.js';
import { alphaOf, rankOf } from './ranks.js';
import { commonFields, honoured, idle, type PeftField, type PeftType, refused, targetFields } from './type.js';
import type { PeftAdapter } from './types.js';

const convert =
  'PEFT changes the base weights for it: save it as plain LoRA (path_initial_model_for_weight_conversion).';

/** Every field of a LoraConfig of PEFT 0.21. */
const fields = {
  ...commonFields,
  ...targetFields,
  alora_invocation_tokens: refused(null, [], 'It acts after some tokens alone.'),
  alpha_pattern: honoured({}),
  arrow_config: refused(null, [], 'It routes between several adapters.'),
  bias: honoured('none', ['all', 'lora_only']),
  corda_config: idle(),
  ensure_weight_tying: refused(false, [], 'It keeps adapted embeddings and a tied output one; save with false.'),
  eva_config: idle(),
  init_lora_weights: refused(true, [false, 'gaussian', 'orthogonal', 'eva'], convert),
  kasa_config: refused(null, [], 'It changes the base weights.'),
  layer_replication: refused(null, [], 'It is of a base model with layers that are repeated.'),
  layers_pattern: honoured(),
  layers_to_transform: honoured(),
  loftq_config: idle({}),
  lora_alpha: honoured(8),
  lora_bias: honoured(false, [true]),
  lora_dropout: honoured(0),
  lora_ga_config: idle(),
  megatron_config: refused(null, [], 'It is of a model in Megatron.'),
  megatron_core: idle('megatron.core'),
  monteclora_config: refused(null, [], 'It draws weights at random.'),
  qalora_group_size: idle(16),
  r: honoured(8),
  rank_pattern: honoured({}),
  // Of a run, not of an adapter: PEFT leaves it out of files.
  runtime_config: idle(),
  target_parameters: refused(null, [], 'It adapts tensors that are no modules.'),
  trainable_token_indices: refused(null, [], 'It trains some rows of the embeddings; save them with modules_to_save.'),
  use_bdlora: refused(null, [false], 'It makes A or B block-diagonal.'),
  use_dora: honoured(false, [true]),
  use_qalora: refused(false, [], 'It is of a quantised base model.'),
  use_rslora: honoured(false, [true]),
  velora_config: refused(null, [], 'It compresses what is trained on.'),
} satisfies Readonly<Record<string, PeftField>>;

/** Files of LoRA and of those of its relatives that PEFT knows by a field: `use_dora`, `use_rslora`. */
export const loraType: PeftType = {
  name: 'LORA',
  fields,
  rankField: 'r',
  hasAlpha: true,
  hasRankPattern: true,
  faultOf: ({ use_dora: dora, lora_bias: bias }) =>
    dora === true && bias === true ? '"lora_bias" is true beside "use_dora", which PEFT refuses too' : undefined,
  tensors: ({ use_dora: dora, lora_bias: bias }) => ({
    'lora_A.weight': ['rank', 'in'],
    'lora_B.weight': ['out', 'rank'],
    ...(bias === true ? { 'lora_B.bias': ['out'] } : {}),
    ...(dora === true ? { lora_magnitude_vector: ['out'] } : {}),
  }),
  embeddingTensors: { lora_embedding_A: ['rank', 'in'], lora_embedding_B: ['out', 'rank'] },
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
    loraBias: fields.lora_bias === true,
    loraDropout: typeof fields.lora_dropout === 'number' ? fields.lora_dropout : 0,
  };
}
