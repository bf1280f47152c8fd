/** The version whose files these are. */
export const PEFT_VERSION = '0.21.0';

/** Fields of adapter_config.json. */
export type Fields = Readonly<Record<string, unknown>>;

/** Sizes of a tensor by axis; `in`, `out` and `rank` are those of the module that it belongs to. */
export type Sizes = readonly (number | 'in' | 'out' | 'rank')[];

/** One of PEFT's formats, as `peft_type` names it: what its files hold, whatever method wrote them. */
export interface PeftType {
  readonly name: string;
  /** Every field that PEFT 0.21 writes, with its usual value. */
  readonly defaults: Fields;
  /** Fields that may ask for what diffora does not do, with the values that it honours; any other is refused. */
  readonly honoured: Readonly<Record<string, readonly unknown[]>>;
  /** What to do about a field that is refused, as a sentence. */
  readonly cures?: Readonly<Record<string, string>>;
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
): Readonly<Record<string, Sizes>> {
  return Object.fromEntries(
    Object.entries(type.tensors(fields)).map(([suffix, sizes]) => [
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
