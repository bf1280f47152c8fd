import type { Offset } from '../tokenize/index.js';
import type { Table } from './readers/table.js';

/** An answer that is a part of a passage. */
export interface Answer {
  readonly text: string;
  /** Where it begins in the passage, in UTF-16 units. (SQuAD's files count code points.) */
  readonly start: number;
}

/** One row of a task: a sentence, or a pair of sentences, and what is to be learned from it. */
export interface Example {
  /** Unique within its split; the line or index in the source file where there is one. */
  readonly id: string;
  /** Span tasks: the question. */
  readonly text: string;
  /** Span tasks: the passage. */
  readonly pair?: string;
  /** Class index for classification, score for regression, the right one of `choices`; absent when only predicting. */
  readonly label?: number;
  /** Span tasks: the answers that count as right, the first being learned; none: the passage does not say. */
  readonly answers?: readonly Answer[];
  /** Language tasks: the texts that count as right, the first being learned. */
  readonly references?: readonly string[];
  /** Language tasks of multiple choice: what may be written. */
  readonly choices?: readonly string[];
}

/** Name of a split. */
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

/** `span`: the answer is a part of the passage; `language`: it is written after the text. */
export const learnedKinds = ['classification', 'regression', 'span', 'language'] as const;
/** What a task asks for. */
export type LearnedKind = (typeof learnedKinds)[number];

/** How a language task asks for a text, and what of a written one counts. */
export interface Generation {
  /** What stands before the answer, `{text}` being the text of the example. The reference follows at once. */
  readonly prompt: string;
  /** Spaces that a reference begins with, which the prompt was written to end in; see `spacedPrompt`. */
  readonly lead?: string | undefined;
  /** Tokens that an answer may have. */
  readonly maxNewTokens: number;
  /**
   * Regular expression: the answer is its first match (group 1 where it has one) in the written text, without
   * commas within numbers; without a match there is no answer. Left out, the answer is the whole text, trimmed.
   */
  readonly answer?: string | undefined;
}

/** What is asked of a model: columns, labels, metrics and where the rows come from. */
export interface Task {
  readonly name: string;
  readonly kind: LearnedKind;
  /** Label names by class index; empty but for classification. */
  readonly labels: readonly string[];
  /** Column names a user's row has (for `predict --input`). `choices`: what may be written, in multiple choice. */
  readonly columns: {
    readonly text: string;
    readonly pair?: string;
    readonly label: string;
    readonly choices?: string;
  };
  /**
   * Tells a table in these columns, where rows of the task go about in other forms; a row stays a row.
   * @internal
   */
  readonly inColumns?: ((table: Table) => Table) | undefined;
  /**
   * What is scored of labelled examples, where that is not each by itself.
   * @internal
   */
  readonly toScore?: ((examples: readonly Example[]) => readonly Example[]) | undefined;
  /** Metrics to report; the first decides which run is better. */
  readonly metrics: readonly MetricName[];
  /** Language tasks have one. */
  readonly generation?: Generation | undefined;
  /** Longest sequence in tokens where a run does not say; default 128. */
  readonly maxLength?: number | undefined;
  /** Splits with labels that this task can load. */
  readonly splits: readonly SplitName[];
  /** The examples of a split, checked. @throws DiffoError for a split that it does not have, or what is wrong with its file */
  load(split: SplitName): Promise<Split>;
}

/** What of a task is known where its data are not at hand: task.json beside an adapter. */
export type LearnedTask = Omit<Task, 'splits' | 'load' | 'inColumns' | 'toScore'>;

/**
 * The larger, the better, but for perplexity. `exact_match` and `f1` of span tasks are SQuAD's, `best_…` those at the
 * best no-answer threshold. `accuracy` of language tasks is that of the likeliest choice, `generated_accuracy` that of
 * written answers; `log_likelihood` is the mean of a reference's tokens.
 */
export const metricNames = [
  'matthews',
  'accuracy',
  'f1',
  'pearson',
  'spearman',
  'exact_match',
  'best_f1',
  'best_exact_match',
  'generated_accuracy',
  'bleu',
  'nist',
  'rouge_l',
  'log_likelihood',
  'perplexity',
] as const;
/** Name of a metric. */
export type MetricName = (typeof metricNames)[number];

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
