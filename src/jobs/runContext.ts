import type { Journal } from '../artifacts/checkpoints/journal.js';
import type { RunLog } from '../logs/log.js';
import type { Ranks } from '../mpi/ranks.js';
import type { Reporter } from '../reporter.js';

/** What goes along with a run. None of it changes a bit of what the run gives. */
export interface RunContext {
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
  /** Ranks that do the run together; left out, this process does. */
  readonly ranks?: Ranks | undefined;
  /** See LoopCompany. */
  readonly agree?: (() => Promise<void>) | undefined;
  readonly log?: RunLog | undefined;
  /** Checkpoints; left out, nothing is saved. */
  readonly journal?: Journal | undefined;
}
