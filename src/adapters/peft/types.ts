import type { NamedTensor } from '../../checkpoint/types.js';
import type { TaskType } from '../../models/model.js';
import type { PeftContents } from '../contents.js';

/** An adapter as PEFT keeps it in a folder, independent of any model or graph. Module paths are full: `bert.encoder.layer.0.attention.self.query`. */
export interface PeftAdapter extends Omit<PeftContents, 'format'> {
  /** Hub name or path of the model it belongs to. */
  readonly baseModel: string;
  /** Revision of the base model on the hub. */
  readonly revision?: string;
  readonly taskType: TaskType;
  /** Exactly the modules of `modules`. */
  readonly targetModules: readonly string[];
  /** Modules trained whole, such as `classifier`; `saved` holds their tensors. */
  readonly modulesToSave: readonly string[];
  /** Tensors under their own path, such as `classifier.weight`. */
  readonly saved: readonly NamedTensor[];
  /** Trained biases of the base model under their own path (`bias` in the configuration). */
  readonly biases: readonly NamedTensor[];
  /** Embeddings of the base model that PEFT has saved along, under their own path: they are not trained. */
  readonly embeddings?: readonly NamedTensor[];
}
