import type { Value } from '../runtime/session.js';
import type { Offset } from '../tokenize/index.js';

/** A sequence ready for the model. Lengths are equal; no padding yet. */
export interface EncodedExample {
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
  readonly label: number | undefined;
  /**
   * A label for each token, -100 for none: classes for token classification; for language modelling the id of the token
   * that comes next, so that no shift is left to be done. Of `targetIds`, where there are some.
   */
  readonly tokenLabels?: Int32Array;
  /** What a decoder beside the encoder reads: the token that it starts from, and all that is to be written but the last token. */
  readonly targetIds?: Int32Array;
  /** First and last token of the answer, for question answering; twice 0 where it is not in this window. */
  readonly span?: readonly [start: number, end: number];
  /** The tokens of the passage: position of the first, and where each lies in the passage. */
  readonly passage?: { readonly first: number; readonly offsets: readonly Offset[] };
  /** Position of the example in its split. Windows of one example share it. */
  readonly index: number;
  /**
   * Further texts of the example, where the loss weighs several against each other: a passage, hard negatives, candidates. They
   * have rows of their own in a batch. Losses that read texts column by column need as many of every example.
   */
  readonly further?: readonly EncodedExample[];
  /** Answers that are weighed: position of the first label of the answer, those before it being learned beside it. */
  readonly answerFrom?: number;
  /** Log-likelihood of the labelled tokens under the model as it was before it is trained, where the loss reads it. */
  readonly reference?: number;
  /** What no two examples of a batch may share, where the objective keeps such examples apart: texts, by number. */
  readonly keys?: readonly number[];
}

/** Padded to the longest sequence of the batch: every array is [batch, seq], row-major. */
export interface Batch {
  /** Rows: more than the examples where these have further texts. */
  readonly batchSize: number;
  readonly sequenceLength: number;
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
  readonly tokenTypeIds: BigInt64Array;
  /** Of texts that are written while others are read: [batch, target], padded to the longest. */
  readonly targetIds?: BigInt64Array;
  /** What the loss reads; undefined where a row has no label. */
  readonly labels: BatchLabels | undefined;
  /** Positions of the examples in their split. [examples] */
  readonly indices: readonly number[];
  /** The rows before they were padded. [batch] */
  readonly rows?: readonly EncodedExample[];
}

/** Labels of a batch, as an objective lays them out. */
export interface BatchLabels {
  readonly data: BigInt64Array | Float32Array;
  readonly shape: readonly number[];
  /** Positions [rows] in [batch*seq] that `data` is of, where positions without a label are left out. */
  readonly rows?: BigInt64Array;
  /** What the loss reads beside them, by the names of the graph's inputs. */
  readonly beside?: Readonly<Record<string, Value>>;
}
