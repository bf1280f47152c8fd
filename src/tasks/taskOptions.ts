import type { HubTableOptions } from '../data/hub/hubTable.js';
import type { DataOptions } from '../data/types.js';
import type { Task } from './task.js';

/** Columns of one's own data file. */
export interface ColumnOptions {
  readonly textColumn?: string | undefined;
  readonly pairColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** How a task is to be opened. */
export interface TaskOptions extends DataOptions, HubTableOptions, ColumnOptions {
  /** Chooses the rows held out of one's own data where it has no dev part. Default 0. */
  readonly seed?: number | undefined;
}

/** Makes a known task. Nothing is read before `load`, so that predicting needs no data. */
export type TaskFactory = (options: TaskOptions) => Task;
