import type { HubTableOptions } from '../hub/hubTable.js';
import type { DataOptions, Task } from '../types.js';

/** How a task is to be opened. */
export interface TaskOptions extends DataOptions, HubTableOptions {
  /** Columns of one's own data file; see `customTask`. */
  readonly textColumn?: string | undefined;
  readonly pairColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  /** Chooses the rows held out of one's own data where it has no dev part. Default 0. */
  readonly seed?: number | undefined;
}

/** Makes a known task. Nothing is read before `load`, so that predicting needs no data. */
export type TaskFactory = (options: TaskOptions) => Task;
