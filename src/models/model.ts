import type { Checkpoint, StoredTensor } from '../checkpoint/types.js';
import type { Tensor } from '../graph/index.js';
import type { ComputeDevice } from '../runtime/devices/computeDevice.js';
import type { HostTensor } from '../runtime/deviceTensor.js';
import type { Bindings, SessionOptions } from '../runtime/session.js';
import type { ConfigKeys } from './keys/configKeys.js';
import type { VectorOptions } from './pooling.js';
import type { ExpectedTensor, Spellings } from './weights.js';

/** The `layer` of a module that stands in none. */
export const outsideLayers = -1;

/** A linear module that can carry a low-rank adapter. */
export interface AdaptableModule {
  /** Path as PyTorch and PEFT spell it, e.g. `bert.encoder.layer.0.attention.self.query`. */
  readonly path: string;
  /** Row of the Differential Adaptation Matrix; `outsideLayers` for a module that has none. */
  readonly layer: number;
  /** Column of the Differential Adaptation Matrix: the path within the layer, e.g. `attention.self.query`. */
  readonly module: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The weight lies in the file as [inFeatures, outFeatures] (GPT-2's Conv1D); otherwise [outFeatures, inFeatures]. */
  readonly transposed?: boolean;
  /** A table of embeddings: its inputs are rows, one a token or position, and its weight lies as [inFeatures, outFeatures]. */
  readonly isEmbedding?: true;
  /** The sub-layer of the transformer that this module ends: its output is what the residual stream gets. */
  readonly ends?: SubLayer;
  /** What of attention it computes from the residual stream, if anything. */
  readonly projects?: Projection;
}

/** The two halves of a transformer's layer. */
export type SubLayer = 'attention' | 'feedForward';

/** What a projection of attention computes; GPT-2 has one module for all three. */
export const projections = ['query', 'key', 'value', 'queryKeyValue'] as const;
export type Projection = (typeof projections)[number];

/** What the outputs of a model mean, as PEFT names it; of MASKED_LM it knows no name, and says nothing. */
export const taskTypes = [
  'SEQ_CLS',
  'TOKEN_CLS',
  'QUESTION_ANS',
  'CAUSAL_LM',
  'MASKED_LM',
  'FEATURE_EXTRACTION',
  'SEQ_2_SEQ_LM',
] as const;
export type TaskType = (typeof taskTypes)[number];

/**
 * What a row of a model's outputs is: of a whole sequence, of each token, of the token that comes next, a text's vector, or of the
 * token that comes next in a text that is written while another is read.
 */
export type OutputsOf = 'sequence' | 'token' | 'nextToken' | 'vector' | 'nextWritten';

/** A tensor that fine-tuning creates or replaces: part of the head. */
export interface HeadTensor {
  /** Name as PyTorch spells it, e.g. `classifier.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Standard deviation of its normal initialisation; 0 means zeros. */
  readonly deviation: number;
  /** Where it starts instead, if the data say so. */
  readonly start?: readonly number[] | undefined;
  /** The checkpoint's own values, when it has a head of the right shape. */
  readonly stored: StoredTensor | undefined;
}

/** A linear module where it stands in a graph. */
export interface LinearCall {
  readonly path: string;
  /** [rows, in] */
  readonly x: Tensor;
  /** W0 as it lies in the file: [out, in], or [in, out] for a Conv1D. */
  readonly weight: Tensor;
  /** W0 x [rows, out] */
  readonly product: Tensor;
  /** [out] */
  readonly bias?: Tensor | undefined;
}

/** What a graph is built with: where weights come from, what adapters add, and dropout. */
export interface BuildHooks {
  /** A frozen weight or a head tensor, by the model's own name for it. */
  weight(name: string): Tensor;
  /** The output of a linear module [rows, out], bias included. */
  adapt(call: LinearCall): Tensor;
  /** The residual stream before a layer [batch*seq, hidden], as it is: recomputation starts from there. */
  startLayer(state: Tensor): Tensor;
  /**
   * The end of a sub-layer. y [rows, hidden] is the output of the module `path` after dropout; `close` adds the
   * residual and applies the norm that follows, if one does.
   */
  endSubLayer(path: string, y: Tensor, close: (y: Tensor) => Tensor): Tensor;
  /** Dropout at the next site; identity outside training. */
  dropout(x: Tensor, rate: number): Tensor;
}

/** The inputs of a model: int64 [batch, seq]. Sequences are padded on the right. */
export interface BatchInputs {
  readonly inputIds: Tensor;
  readonly attentionMask: Tensor;
  readonly tokenTypeIds: Tensor;
  /**
   * Models of the vocabulary: the positions whose logits are wanted, int64 [rows] into [batch*seq], of an encoder-decoder into
   * [batch*target]. Default: all.
   */
  readonly rows?: Tensor | undefined;
  /** Encoder-decoders: what the decoder reads, the start and the text that is written, int64 [batch, target]. */
  readonly targetIds?: Tensor | undefined;
}

/** Keys and values of one layer, [batch, heads, length, headSize], rotary positions applied. */
export interface LayerCache {
  readonly key: Tensor;
  readonly value: Tensor;
}

/** A step of generation: new tokens after those that the cache holds. All sequences have the same length. */
export interface CachedInputs {
  /** int64 [batch, seq]: the new tokens. */
  readonly inputIds: Tensor;
  /** int64 [seq]: their positions; [batch, seq] where each sequence has its own, as padding on the left asks for. */
  readonly positions: Tensor;
  /** int64 [total], total = past + seq: the positions of everything that is in the cache after the step. */
  readonly keyPositions: Tensor;
  /** One a layer, of length `past`, which may be 0. */
  readonly past: readonly LayerCache[];
  /** Sequences of a batch that are padded, on whichever side. */
  readonly padding?: CachePadding;
  /** The new tokens whose next-token logits are wanted: the last of each sequence [batch, vocab], or all [batch*seq, vocab]. */
  readonly logitsOf?: 'last' | 'all';
}

/** What a batch of padded sequences is masked by: places in the cache, which are not positions. */
export interface CachePadding {
  /** float32 [seq]: places of the new tokens, counted from 0; `keyPositions` are those of the whole cache. */
  readonly places: Tensor;
  /** int64 [batch, total]: 0 where padding is. */
  readonly attentionMask: Tensor;
}

/** A step of several texts at once: one token each, after as many as the text's row of the cache holds. */
export interface StepInputs {
  /** int64 [batch]: the new tokens. */
  readonly inputIds: Tensor;
  /** int64 [batch]: tokens of each text before it. They are the first of its row in the cache; what stands behind them is not seen. */
  readonly lengths: Tensor;
  /** One a layer, [batch, heads, past, headSize]. */
  readonly past: readonly LayerCache[];
}

/** A decoder with a key-value cache. */
export interface CachedDecoder {
  readonly layers: number;
  /** Key-value heads. */
  readonly heads: number;
  readonly headSize: number;
  /** Logits as `logitsOf` says, by default of the last [batch, vocab], and the caches with the new tokens appended. */
  next(inputs: CachedInputs, hooks: BuildHooks): { readonly logits: Tensor; readonly present: readonly LayerCache[] };
  /** Logits of the token after each new one [batch, vocab], and the keys and values of these alone [batch, heads, 1, headSize]. */
  step(inputs: StepInputs, hooks: BuildHooks): { readonly logits: Tensor; readonly added: readonly LayerCache[] };
}

/** A step of several texts at once that are written while others are read. */
export interface WritingInputs extends StepInputs {
  /** What the encoder gave for the texts that are read, as {@link EncoderDecoder.read} has it, [batch, heads, source, headSize]. */
  readonly sources: readonly LayerCache[];
  /** int64 [batch]: tokens of each text that is read. They are the first of its row; what stands behind them is not seen. */
  readonly sourceLengths: Tensor;
}

/** A model of two halves: the encoder reads a text, the decoder writes another. */
export interface EncoderDecoder {
  /** Layers of the decoder. */
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  /** The token that a written text begins after. */
  readonly startTokenId: number;
  /** Keys and values of what the encoder gives, for each layer of the decoder [batch, heads, seq, headSize]: computed once a text. */
  read(inputs: BatchInputs, hooks: BuildHooks): readonly LayerCache[];
  /** Logits of the token after each new one [batch, vocab], and the keys and values of these alone [batch, heads, 1, headSize]. */
  step(inputs: WritingInputs, hooks: BuildHooks): { readonly logits: Tensor; readonly added: readonly LayerCache[] };
}

/** What computes a model in the place of its graph: an exported file, to be scored. */
export interface ModelFile {
  /** Logits as {@link Model.logits} gives them, from the inputs of a batch. */
  logits(options: SessionOptions): Promise<FileProgram<'logits'>>;
  /** Decoders only: a step with a cache, from and under the names of {@link decoderNames}. */
  next?(options: SessionOptions): Promise<FileProgram<'logits' | `next ${string}`>>;
}

/** A compiled file. */
export interface FileProgram<Name extends string> {
  run(feeds: Bindings): Promise<Record<Name, HostTensor<Float32Array>>>;
  release(): Promise<void>;
}

/** Inputs of a decoder's step that hold the cache of a layer; the outputs that go on from them begin with `next `. */
export const decoderNames = (layer: number) => [`key ${layer}`, `value ${layer}`] as const;

/** A module of a head, saved and trained as a whole. */
export interface HeadModule {
  /** Path as PEFT's `modules_to_save` names it. */
  readonly path: string;
  readonly tensors: readonly (ExpectedTensor & Pick<HeadTensor, 'deviation' | 'start'>)[];
  /** `head`: always trained. `pooler`: pretrained with the backbone, so frozen unless the whole head is trained. */
  readonly role: 'head' | 'pooler';
}

/** A head as transformers builds it. */
export interface Head {
  /** transformers' class name. */
  readonly architecture: string;
  readonly modules: readonly HeadModule[];
  /** Tensors that the head reads and nothing trains, such as `lm_head.weight`. */
  readonly frozen?: readonly ExpectedTensor[];
  /** Tensors that no file need have, with the tensor of the backbone that stands for each: a tied output. */
  readonly tied?: ReadonlyMap<string, string>;
  /** See {@link Model.logits}. */
  logits(inputs: BatchInputs, hooks: BuildHooks): Tensor;
}

/** What a config.json says in the terms of this project: everything that an architecture's file has to give. */
export interface Architecture {
  readonly layers: number;
  /** What the layers are called, where they are not of one kind; left out: by their numbers. */
  readonly layerNames?: readonly string[];
  /** Every linear module of the layers, in the order of computation, layer by layer. */
  readonly adaptable: readonly AdaptableModule[];
  /** Tensors of the backbone, those of the adaptable modules included. */
  readonly tensors: readonly ExpectedTensor[];
  readonly spellings: Spellings;
  /** True for a tensor of the file that is no weight (buffers of old checkpoints). */
  readonly isBuffer?: (name: string) => boolean;
  readonly vocabSize: number;
  /** Longest sequence that the position embeddings allow. */
  readonly maxLength: number;
  /** What batches are filled with. */
  readonly padTokenId: number;
  /** How many token types (segments) it tells apart; undefined where it reads none. */
  readonly tokenTypes?: number;
  /** All but that of vectors, which needs the states alone. */
  readonly heads: Partial<Record<Exclude<TaskType, 'FEATURE_EXTRACTION'>, (numLabels: number) => Head>>;
  /** See {@link Model.states}. */
  states(inputs: BatchInputs, hooks: BuildHooks): Tensor;
  /** transformers' class name of the model without a head: encoders only. */
  readonly encoder?: string;
  readonly cached?: CachedDecoder;
  readonly encoderDecoder?: EncoderDecoder;
  /** What of it gives vectors of texts, where that is not all: the encoder of an encoder-decoder. */
  readonly encoderAlone?: Pick<Architecture, 'layers' | 'adaptable' | 'tensors' | 'isBuffer'>;
}

/** A checkpoint understood: shapes checked, modules named, ready to be built into graphs. */
export interface Model {
  readonly family: string;
  readonly checkpoint: Checkpoint;
  readonly taskType: TaskType;
  readonly outputsOf: OutputsOf;
  /** Outputs of the head for each sequence or token; the vocabulary for CAUSAL_LM, MASKED_LM and SEQ_2_SEQ_LM, the width of the states for vectors. */
  readonly numLabels: number;
  readonly layers: number;
  /** See {@link Architecture.layerNames}. */
  readonly layerNames: readonly string[] | undefined;
  /** Column names of the Differential Adaptation Matrix, in the order of computation. */
  readonly modules: readonly string[];
  readonly adaptable: readonly AdaptableModule[];
  /** Linear modules and embeddings that stand in no layer; no method here takes them by itself, but PEFT's adapters may. */
  readonly further: readonly AdaptableModule[];
  readonly head: readonly HeadTensor[];
  /** The part of the head that is trained: `all` also where a pooler has to be made. */
  readonly headPart: HeadPart;
  /** Module paths that hold the trained head, as PEFT's `modules_to_save` names them. */
  readonly headModules: readonly string[];
  /** Longest sequence that the position embeddings allow. */
  readonly maxLength: number;
  readonly padTokenId: number;
  readonly vocabSize: number;
  /** How many token types (segments) it tells apart; undefined where it reads none. */
  readonly tokenTypes: number | undefined;
  /** Parameters of the backbone, head not counted. */
  readonly backboneParameters: number;
  /** Names of all frozen tensors as transformers saves them, with the file's tensor for each. */
  readonly backbone: ReadonlyMap<string, string>;
  /** Names of tensors that are another's in the checkpoint, with the name of that in `backbone`: a tied output. */
  readonly tied: ReadonlyMap<string, string>;
  /** Those of them that are a norm's, in the same order. */
  readonly norms: readonly string[];
  /** Tensors that no graph reads and transformers' class has all the same, as saved, with the file's tensor for each. */
  readonly unread: ReadonlyMap<string, string>;
  /** How texts become vectors, where that is what it gives. */
  readonly vectors?: VectorOptions | undefined;
  /** Tensors of the file that the model has no use for (other heads). */
  readonly unused: readonly string[];
  /** Class name for `architectures` in a config written by merge. */
  readonly architecture: string;
  /**
   * SEQ_CLS: [batch, numLabels]. TOKEN_CLS and QUESTION_ANS (start and end): [batch*seq, numLabels]. CAUSAL_LM: next
   * token [rows, vocab], MASKED_LM the token at the place itself, rows being batch*seq where none are named. SEQ_2_SEQ_LM: the
   * next token of the text that is written [rows, vocab], rows being batch*target. FEATURE_EXTRACTION: a vector a text [batch, hidden].
   */
  logits(inputs: BatchInputs, hooks: BuildHooks): Tensor;
  /** What the last layer gives for every token, its norm applied: [batch*seq, hidden]. */
  states(inputs: BatchInputs, hooks: BuildHooks): Tensor;
  /** See {@link Architecture.encoder}. */
  readonly encoder: string | undefined;
  /** What runs its graphs; left out, the CPU. */
  readonly device?: ComputeDevice | undefined;
  /** What computes it in the place of a graph. */
  readonly file?: ModelFile;
  /** Decoders only. */
  readonly cached: CachedDecoder | undefined;
  /** Encoder-decoders only. */
  readonly encoderDecoder: EncoderDecoder | undefined;
}

/** Which part of the head is trained: all but a pretrained pooler, the pooler too, or nothing (the checkpoint's own). */
export const headParts = ['classifier', 'all'] as const;
export type HeadPart = (typeof headParts)[number] | 'none';

export interface ModelOptions {
  /** Default SEQ_CLS. */
  readonly taskType?: TaskType;
  /** Outputs of the head (SEQ_CLS with 1 = regression). QUESTION_ANS has 2, CAUSAL_LM, MASKED_LM and SEQ_2_SEQ_LM the vocabulary, whatever is said. */
  readonly numLabels: number;
  /** FEATURE_EXTRACTION: how states become vectors; default: as the model's folder says, else their mean, of length 1. */
  readonly vectors?: { readonly [Key in keyof VectorOptions]?: VectorOptions[Key] | undefined } | undefined;
  /** Default `classifier`. A part that the checkpoint lacks is made and trained, but for `none`, where it is an error. */
  readonly head?: HeadPart;
}

/** An architecture's file: reads config.json. */
export interface Family {
  readonly name: string;
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  /** What becomes of the keys of config.json. */
  readonly keys: ConfigKeys;
  /** A checkpoint with its tensors as transformers' class has them, where files of the family name or cut them otherwise. */
  restated?(checkpoint: Checkpoint): Checkpoint;
  /** @throws DiffoError when config.json has a setting that is not supported, by key */
  describe(checkpoint: Checkpoint): Architecture;
}
