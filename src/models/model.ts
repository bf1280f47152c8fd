import type { Checkpoint, StoredTensor } from '../checkpoint/types.js';
import type { Tensor } from '../graph/index.js';

/** A linear module that can carry a low-rank adapter. Weight is [outFeatures, inFeatures]. */
export interface AdaptableModule {
  /** Path as PyTorch and PEFT spell it, e.g. `bert.encoder.layer.0.attention.self.query`. */
  readonly path: string;
  /** Row of the Differential Adaptation Matrix. */
  readonly layer: number;
  /** Column of the Differential Adaptation Matrix: the path within the layer, e.g. `attention.self.query`. */
  readonly module: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** A tensor that fine-tuning creates or replaces: the classification head. */
export interface HeadTensor {
  /** Name as PyTorch spells it, e.g. `classifier.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Standard deviation of its normal initialisation; 0 means zeros. */
  readonly deviation: number;
  /** The checkpoint's own values, when it has a head of the right shape. */
  readonly stored: StoredTensor | undefined;
}

/** What a graph is built with: where weights come from, what adapters add, and dropout. */
export interface BuildHooks {
  /** A frozen weight or a head tensor, by the model's own name for it. */
  weight(name: string): Tensor;
  /** The output of a linear module given its input x [rows, in] and its frozen output y [rows, out]. */
  adapt(path: string, x: Tensor, y: Tensor): Tensor;
  /** Dropout at the next site; identity outside training. */
  dropout(x: Tensor, rate: number): Tensor;
}

/** The inputs of every encoder: int64 [batch, seq]. */
export interface BatchInputs {
  readonly inputIds: Tensor;
  readonly attentionMask: Tensor;
  readonly tokenTypeIds: Tensor;
}

/** A checkpoint understood: shapes checked, modules named, ready to be built into graphs. */
export interface Model {
  readonly family: string;
  readonly checkpoint: Checkpoint;
  readonly numLabels: number;
  readonly layers: number;
  /** Column names of the Differential Adaptation Matrix, in the order of computation. */
  readonly modules: readonly string[];
  readonly adaptable: readonly AdaptableModule[];
  readonly head: readonly HeadTensor[];
  /** Module paths that hold the trained head, as PEFT's `modules_to_save` names them. */
  readonly headModules: readonly string[];
  /** Longest sequence that the position embeddings allow. */
  readonly maxLength: number;
  readonly padTokenId: number;
  /** Parameters of the backbone, head not counted. */
  readonly backboneParameters: number;
  /** Names of the backbone's tensors as transformers saves them, with the file's tensor for each. */
  readonly backbone: ReadonlyMap<string, string>;
  /** Tensors of the file that the model has no use for (other heads, buffers). */
  readonly unused: readonly string[];
  /** Class name for `architectures` in a config written by merge. */
  readonly architecture: string;
  /** Logits [batch, numLabels]. */
  logits(inputs: BatchInputs, hooks: BuildHooks): Tensor;
}

/** Which part of the head is trained: its last linear module, or all of it (BERT: the pooler too). */
export const headParts = ['classifier', 'all'] as const;
export type HeadPart = (typeof headParts)[number];

export interface ModelOptions {
  /** Outputs of the classifier; 1 = regression. */
  readonly numLabels: number;
  /** Default `classifier`. A part that the checkpoint lacks is made and trained in any case. */
  readonly head?: HeadPart;
}

/** Reads an architecture out of a checkpoint. */
export interface Family {
  readonly name: string;
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  /** @throws DiffoError when tensors are missing or have the wrong shape, by name. */
  open(checkpoint: Checkpoint, options: ModelOptions): Model;
}
