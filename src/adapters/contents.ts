import type { NamedTensor } from '../checkpoint/types.js';
import type { PeftType } from './peft/type.js';

/** What an adapter's file holds beside the head, in the terms of its format. */
export type AdapterContents = PeftContents | PlainContents;

/** In PEFT's format. */
export interface PeftContents {
  readonly format: 'peft';
  readonly type: PeftType;
  /** 1 where the type has none. */
  readonly rank: number;
  readonly alpha: number;
  /** Rank and alpha of modules that differ, by full path. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** The tensors of each adapted module, by what follows the module's path in the file: `lora_A.weight`. */
  readonly modules: ReadonlyMap<string, Readonly<Record<string, NamedTensor>>>;
  /** Tensors of no module: VeRA's projections. */
  readonly shared: readonly NamedTensor[];
  /** More fields of adapter_config.json than those that every adapter has. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** In diffora's own format, for methods that PEFT does not have. */
export interface PlainContents {
  readonly format: 'diffora';
  /** Names of the method's own tensors. Those of the base that were trained are listed by the plan's `replaced`. */
  readonly tensors: readonly string[];
  /** What the method needs to be built again. */
  readonly settings: Readonly<Record<string, unknown>>;
}
