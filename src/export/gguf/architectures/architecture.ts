import type { Model } from '../../../models/model.js';
import type { GgufMetadata } from '../values.js';

/** A family of models as llama.cpp has it: its file exports one of these. */
export interface GgufArchitecture {
  /** `general.architecture`. */
  readonly name: string;
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  /**
   * Hyperparameters, and tensors that are not in the checkpoint.
   * @param warn is told what llama.cpp does otherwise
   * @throws Refusal for a setting that llama.cpp has not
   */
  describe(model: Model, warn: (line: string) => void): Described;
  /** Where a tensor goes. @param name transformers' name of it */
  place(name: string, model: Model): Place | undefined;
}

export interface Described {
  readonly metadata: GgufMetadata;
  /** One-dimensional. */
  readonly tensors: Readonly<Record<string, Float32Array>>;
}

/** A tensor's place in a GGUF. */
export interface Place {
  /** llama.cpp's name of it. */
  readonly name: string;
  /** Of how many heads the rows are to be put into llama.cpp's order. */
  readonly heads?: number | undefined;
  /** Never in fewer bits than float32. */
  readonly exact?: true;
}
