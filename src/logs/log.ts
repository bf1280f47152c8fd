import { withoutSecrets } from '../secrets.js';

/** Somewhere that the numbers of a run are written to while it goes on. */
export interface RunLog {
  /** Values by tag (`train/loss`); steps of a tag rise. Never throws: what cannot be written is warned of. */
  scalars(values: Readonly<Record<string, number>>, step: number): void;
  /** Waits until all is written. */
  end(outcome: 'finished' | 'failed'): Promise<void>;
}

export interface LogContext {
  /** Folder for logs that are files. */
  readonly folder: string;
  /** Name of the run. */
  readonly name: string;
  /** The settings of the run, by name. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The run goes on from a checkpoint; steps after it may have been logged before. */
  readonly isResumed?: boolean;
  readonly warn: (message: string) => void;
}

/** A kind of log. */
export interface LogTarget {
  readonly title: string;
  /** It writes into the folder of the context. */
  readonly isFile: boolean;
  /** @throws DiffoError that says what is missing, before anything is trained */
  open(context: LogContext): Promise<RunLog>;
}

/** Several logs as one. */
export function joined(logs: readonly RunLog[]): RunLog {
  return {
    scalars: (values, step) => {
      for (const log of logs) log.scalars(values, step);
    },
    end: async (outcome) => {
      await Promise.all(logs.map((log) => log.end(outcome)));
    },
  };
}

/**
 * Writes one thing after the other in the background. After the first failure it is warned of, and nothing more is written:
 * a run is not to be lost because its log is.
 */
export function inOrder(what: string, warn: (message: string) => void) {
  let last: Promise<void> = Promise.resolve();
  let failed = false;
  return {
    add(write: () => Promise<void>): void {
      last = last.then(async () => {
        if (failed) return;
        await write().catch((error) => {
          failed = true;
          const reason = withoutSecrets(error instanceof Error ? error.message : String(error));
          warn(`${what} stops here, the run goes on: ${reason}`);
        });
      });
    },
    done: () => last,
  };
}
