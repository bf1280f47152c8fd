/** One row of a task: a sentence, or a pair of sentences, and what is to be learned from it. */
export interface Example {
  /** Unique within its split; the line or index in the source file where there is one. */
  readonly id: string;
  readonly text: string;
  readonly pair?: string;
  /** Class index for classification, score for regression; absent when only predicting. */
  readonly label?: number;
}

export type SplitName = 'train' | 'dev' | 'test';

/** A split as read, with what run.json records about it. */
export interface Split {
  readonly name: SplitName;
  readonly examples: readonly Example[];
  /** Where it came from (file, package), for messages and records. */
  readonly source: string;
  /** sha256 (hex) over the examples in order: id, text, pair, label. */
  readonly hash: string;
  /** Examples of each label name; empty for regression. */
  readonly labelCounts: Readonly<Record<string, number>>;
}

export interface DataOptions {
  /** Folder that holds a sub-folder for each task (`--data-dir` or `DIFFORA_DATA`). */
  readonly dataDir?: string | undefined;
  readonly warn: (message: string) => void;
}

/** What is asked of a model: columns, labels, metrics and where the rows come from. */
export interface Task {
  readonly name: string;
  readonly kind: 'classification' | 'regression';
  /** Label names by class index; empty for regression. */
  readonly labels: readonly string[];
  /** Column names a user's row has (for `predict --input`). */
  readonly columns: { readonly text: string; readonly pair?: string; readonly label: string };
  /** Metrics to report; the first decides which run is better. */
  readonly metrics: readonly MetricName[];
  /** Splits with labels that this task can load. */
  readonly splits: readonly SplitName[];
  load(split: SplitName): Promise<Split>;
}

export type MetricName = 'matthews' | 'accuracy' | 'f1' | 'pearson' | 'spearman';

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
  /** First and last token of the answer, for question answering. */
  readonly span?: readonly [start: number, end: number];
  /** Position of the example in its split. */
  readonly index: number;
}

/** What is predicted, and so what the loss is (src/optimize/loss.ts). */
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
