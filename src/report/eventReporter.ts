import type { Scores } from '../metrics/scores.js';
import type { Reporter } from '../reporter.js';
import { type Figures, figuresOf, type Memory, ownMemory, type Progress } from './progress.js';

/** What a run tells while it goes on: a line of `--json`, but for the last. */
export type RunEvent =
  /** Work of `total` units begins, of which `from` were done before. */
  | { readonly event: 'phase'; readonly phase: string; readonly total: number; readonly from: number }
  | ({ readonly event: 'progress'; readonly phase: string } & Figures)
  /** After `steps` steps of training. */
  | { readonly event: 'evaluation'; readonly steps: number; readonly scores: Scores }
  | { readonly event: 'info' | 'warning'; readonly message: string };

/** How {@link eventReporter} tells. */
export interface EventReporterOptions {
  /** Only warnings are told. */
  readonly quiet?: boolean | undefined;
  /** Least milliseconds between two events of progress; the last of a phase always comes. Default 1000. */
  readonly pause?: number;
  /** Milliseconds; the process's clock by default. */
  readonly now?: () => number;
  /** What the process holds; asked of the system by default. */
  readonly memory?: () => Memory;
}

/** A reporter that tells everything as typed events. */
export function eventReporter(tell: (event: RunEvent) => void, options: EventReporterOptions = {}): Reporter {
  const { quiet = false, pause = 1000, now = () => performance.now(), memory = ownMemory } = options;
  const unlessQuiet = (event: RunEvent) => {
    if (!quiet) tell(event);
  };
  return {
    info: (message) => unlessQuiet({ event: 'info', message }),
    warn: (message) => tell({ event: 'warning', message }),
    evaluated: (steps, scores) => unlessQuiet({ event: 'evaluation', steps, scores }),
    phase(name, total, from = 0) {
      const progress: Progress = { name, total, from, done: from, measures: {}, started: now(), now, memory };
      let [last, isTold] = [progress.started, true];
      const tellProgress = () => {
        const figures = figuresOf(progress);
        // The pause counts from the time that is told: another reading of the clock would be another time.
        [last, isTold] = [progress.started + 1000 * figures.seconds, true];
        unlessQuiet({ event: 'progress', phase: name, ...figures });
      };
      unlessQuiet({ event: 'phase', phase: name, total, from });
      return {
        update(done, measures = {}) {
          Object.assign(progress, { done, measures });
          isTold = false;
          if (now() - last >= pause) tellProgress();
        },
        end() {
          if (!isTold) tellProgress();
        },
      };
    },
  };
}
