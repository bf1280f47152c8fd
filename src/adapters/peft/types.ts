import type { NamedTensor } from '../../checkpoint/types.js';
import type { TaskType } from '../../models/model.js';

/** The two matrices of a module: h = W0 x + scaling · B A x. */
export interface LoraPair {
  /** [rank, in] */
  readonly A: NamedTensor;
  /** [out, rank] */
  readonly B: NamedTensor;
}

/** A LoRA adapter as PEFT keeps it in a folder, independent of any model or graph. Module paths are full: `bert.encoder.layer.0.attention.self.query`. */
export interface PeftAdapter {
  /** Hub name or path of the model it belongs to. */
  readonly baseModel: string;
  /** Revision of the base model on the hub. */
  readonly revision?: string;
  readonly taskType: TaskType;
  readonly rank: number;
  readonly alpha: number;
  /** Rank and alpha of modules that differ, by module path (PEFT takes it for a regular expression). */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** Exactly the modules of `lora`. */
  readonly targetModules: readonly string[];
  /** Modules trained whole, such as `classifier`; `saved` holds their tensors. */
  readonly modulesToSave: readonly string[];
  readonly lora: ReadonlyMap<string, LoraPair>;
  /** Tensors under their own path, such as `classifier.weight`. */
  readonly saved: readonly NamedTensor[];
  /** All other fields of adapter_config.json, known to PEFT or not; those left out get PEFT's defaults. */
  readonly otherFields: Readonly<Record<string, unknown>>;
}
