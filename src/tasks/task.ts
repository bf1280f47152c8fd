import type { Table } from '../data/readers/table.js';
import type { Example, Split, SplitName } from '../data/types.js';
import type { MetricName } from '../metrics/names.js';
import type { Kind, KindFacts } from './kinds/kind.js';

/** Names of the columns that a user's row has. `choices`: what may be written, in multiple choice. */
export interface Columns {
  readonly text: string;
  readonly pair?: string;
  readonly label: string;
  readonly choices?: string;
}

/** What is asked of a model: columns, labels, metrics and where the rows come from. */
export interface Task extends KindFacts {
  readonly name: string;
  readonly kind: Kind;
  /** Label names by class index; empty where the outputs are no classes. */
  readonly labels: readonly string[];
  readonly columns: Columns;
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
  /**
   * Where the rows are on the hub, for a data set that is there.
   * @internal
   */
  readonly hub?: { readonly repository: string; readonly config: string } | undefined;
  /** Metrics to report; the first decides which run is better. */
  readonly metrics: readonly MetricName[];
  /** Longest sequence in tokens where a run does not say; default 128. */
  readonly maxLength?: number | undefined;
  /** Splits with labels that this task can load. */
  readonly splits: readonly SplitName[];
  /** The examples of a split, checked. @throws DiffoError for a split that it does not have, or what is wrong with its file */
  load(split: SplitName): Promise<Split>;
}

/** What of a task is known where its data are not at hand: task.json beside an adapter. */
export interface LearnedTask extends Omit<Task, 'splits' | 'load' | 'inColumns' | 'toScore' | 'hub'> {
  /** No task.json says it: that of an adapter that others wrote, or of a checkpoint's own head. */
  readonly foreign?: true | undefined;
}

/** What says that of a task nothing is known but its kind and, where someone names them, its labels. */
export const unknownTask = { name: 'unknown', foreign: true } as const;

/** True for such a task; that of a file `unknown.csv` is none. */
export function isUnknown({ foreign }: Pick<LearnedTask, 'foreign'>): boolean {
  return foreign === true;
}

/** What of a task is needed to read a row: enough to predict where no data is at hand. */
export type TaskShape = Pick<Task, 'name' | 'kind' | 'labels' | 'columns'> & KindFacts;
