import type { Offset } from '../tokenize/index.js';

/** A sequence ready for the model. Lengths are equal; no padding yet. */
export interface EncodedExample {
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
  readonly label: number | undefined;
  /**
   * A label for each token, -100 for none: classes for token classification; for language modelling the id of the token
   * that comes next, so that no shift is left to be done.
   */
  readonly tokenLabels?: Int32Array;
  /** First and last token of the answer, for question answering; twice 0 where it is not in this window. */
  readonly span?: readonly [start: number, end: number];
  /** The tokens of the passage: position of the first, and where each lies in the passage. */
  readonly passage?: { readonly first: number; readonly offsets: readonly Offset[] };
  /** Position of the example in its split. Windows of one example share it. */
  readonly index: number;
}

/** What is predicted, and so what the loss is (src/engine/loss.ts). */
export type TaskKind = 'classification' | 'regression' | 'tokens' | 'span' | 'language';

/** Padded to the longest sequence of the batch: every array is [batch, seq], row-major. */
export interface Batch {
  readonly batchSize: number;
  readonly sequenceLength: number;
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
  readonly tokenTypeIds: BigInt64Array;
  /** What the loss reads; undefined where a row has no label. */
  readonly labels: BatchLabels | undefined;
  /** Positions of the rows in their split. [batch] */
  readonly indices: readonly number[];
}

/**
 * Labels of a batch. Classification: class indices [batch]. Regression: scores [batch]. Tokens: classes [batch*seq], -100
 * for none. Span: 1 at the first and at the last token of the answer [batch, 2, seq]. Language: ids of next tokens
 * [rows], for the positions `rows` [rows] of [batch*seq]; positions without a label are left out.
 */
export interface BatchLabels {
  readonly data: BigInt64Array | Float32Array;
  readonly shape: readonly number[];
  readonly rows?: BigInt64Array;
}
