import type { Table } from '../data/readers/index.js';
import type { Example, Split, SplitName } from '../data/types.js';
import type { MetricName } from '../metrics/names.js';

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
