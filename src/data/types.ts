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
  /** Examples of each label name; empty for regression. */
  readonly labelCounts: Readonly<Record<string, number>>;
}

export interface DataOptions {
  /** Folder that holds a sub-folder for each task (`--data-dir` or `DIFFORA_DATA`). */
  readonly dataDir?: string | undefined;
  readonly warn: (message: string) => void;
}
