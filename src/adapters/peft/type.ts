/** The version whose files these are. */
export const PEFT_VERSION = '0.21.0';

/** Fields of adapter_config.json. */
export type Fields = Readonly<Record<string, unknown>>;

/** Sizes of a tensor by axis; `in`, `out` and `rank` are those of the module that it belongs to. */
export type Sizes = readonly (number | 'in' | 'out' | 'rank')[];

/**
 * What diffora makes of a field of adapter_config.json. `honoured`: it is read, and what it says holds. `idle`: it changes
 * nothing of a trained adapter (how it was started, for what machine, by which version). `refused`: any value but those of
 * `neutral` would change what the adapter computes, and is an error that names the field.
 */
export type PeftField =
  | {
      readonly use: 'honoured' | 'idle';
      readonly usual: unknown;
      /** All that it may say; left out where that is checked elsewhere. */
      readonly values?: readonly unknown[];
    }
  | {
      readonly use: 'refused';
      readonly usual: unknown;
      readonly neutral: readonly unknown[];
      /** What it would ask for, and what to do, as a sentence. */
      readonly reason?: string;
    };

/** A field that is read. @param usual what is written where nothing else is @param others what else it may say, where that is a choice */
export const honoured = (usual: unknown = null, others?: readonly unknown[]): PeftField => ({
  use: 'honoured',
  usual,
  ...(others === undefined ? {} : { values: [usual, ...others] }),
});
/** A field that changes nothing. */
export const idle = (usual: unknown = null): PeftField => ({ use: 'idle', usual });
/** A field that is refused but for its usual value and the others of `neutral`. */
export const refused = (usual: unknown, neutral: readonly unknown[] = [], reason?: string): PeftField => ({
  use: 'refused',
  usual,
  neutral: [usual, ...neutral],
  ...(reason === undefined ? {} : { reason }),
});

/** The fields of every type (PeftConfig). */
export const commonFields = {
  auto_mapping: idle(),
  base_model_name_or_path: honoured(),
  inference_mode: idle(true),
  peft_type: honoured(),
  peft_version: idle(PEFT_VERSION),
  revision: honoured(),
  task_type: honoured(),
} satisfies Readonly<Record<string, PeftField>>;

/** The fields of types that act on modules which they name. */
export const targetFields = {
  exclude_modules: honoured(),
  // PEFT sets it right by the class of the module, whatever the file says.
  fan_in_fan_out: idle(false),
  modules_to_save: honoured(),
  target_modules: honoured(),
} satisfies Readonly<Record<string, PeftField>>;

/** One of PEFT's formats, as `peft_type` names it: what its files hold, whatever method wrote them. */
export interface PeftType {
  readonly name: string;
  /** Every field that PEFT 0.21 knows. One that is not here is refused, unless it is null. */
  readonly fields: Readonly<Record<string, PeftField>>;
  /** Field of the rank; left out by a type without ranks. */
  readonly rankField?: string;
  /** Whether files have `lora_alpha` and `alpha_pattern`. */
  readonly hasAlpha: boolean;
  /** Whether `rank_pattern` gives ranks by module. */
  readonly hasRankPattern: boolean;
  /** Fields that name modules beside `target_modules`, and like it are written with full paths. */
  readonly moduleFields?: readonly string[];
  /** What is wrong with a field of the type's own; undefined where nothing is. */
  readonly faultOf?: (fields: Fields) => string | undefined;
  /** The tensors of an adapted module by what follows its path in the file. All are there, and no others. */
  readonly tensors: (fields: Fields) => Readonly<Record<string, Sizes | ((module: string) => Sizes)>>;
  /** The same of adapted embeddings: `in` is the number of rows, `out` their width. Left out by a type that adapts none. */
  readonly embeddingTensors?: Readonly<Record<string, Sizes>>;
  /** Tensors of no module by name; `in` and `out` are those of the widest module. */
  readonly shared: Readonly<Record<string, Sizes>>;
  /** Rank of a module where fields of the type's own say it. */
  readonly rankOf?: (fields: Fields, module: string) => number | undefined;
}

/** The sizes of the tensors of a module, the rank filled in. */
export function tensorSizes(
  { type, fields }: { readonly type: PeftType; readonly fields: Fields },
  module: string,
  rank: number,
  isEmbedding: boolean,
): Readonly<Record<string, Sizes>> {
  return Object.fromEntries(
    Object.entries(isEmbedding ? (type.embeddingTensors ?? {}) : type.tensors(fields)).map(([suffix, sizes]) => [
      suffix,
      withRank(typeof sizes === 'function' ? sizes(module) : sizes, rank),
    ]),
  );
}

/** The sizes of the shared tensors, the rank filled in. */
export function sharedSizes({
  type,
  rank,
}: {
  readonly type: PeftType;
  readonly rank: number;
}): Readonly<Record<string, Sizes>> {
  return Object.fromEntries(Object.entries(type.shared).map(([name, sizes]) => [name, withRank(sizes, rank)]));
}

function withRank(sizes: Sizes, rank: number): Sizes {
  return sizes.map((size) => (size === 'rank' ? rank : size));
}
