import type { Scores } from './metrics/scores.js';
import type { MatrixFrame, Phase, SteppedSearch, SteppedTraining } from './progress.js';

/** Where long work tells of itself. The command line shows bars, lines or records; a library user may pass `silent`. */
export interface Reporter {
  /** One line that the user should see. */
  info(line: string): void;
  /** One line about something that may not be meant. */
  warn(line: string): void;
  /** Announces work of `total` units (steps, examples, bytes), of which `from` were done before. */
  phase(name: string, total: number, from?: number): Phase;
  /** Scores while a run trains, after `steps` steps. */
  evaluated(steps: number, scores: Scores): void;
  /** A step of training is done. */
  stepped?(step: SteppedTraining): void;
  /** A step of a search is done. @param matrix computes what the search has come to @param total steps of the search */
  searched?(step: SteppedSearch, total: number, matrix: () => MatrixFrame): void;
  /** Modules have been chosen by a matrix. @param select name of the way */
  selected?(matrix: MatrixFrame, select: string): void;
}

/** Tells nobody. */
export const silent: Reporter = {
  info: () => {},
  warn: () => {},
  phase: () => ({ update: () => {}, end: () => {} }),
  evaluated: () => {},
};

/** Who is told of work while it goes on, and who stops it. */
export interface ProgressOptions {
  /** Default {@link silent}. */
  readonly reporter?: Reporter | undefined;
  /** Aborted, the work ends within a step and throws the signal's reason; nothing is left of it. */
  readonly signal?: AbortSignal | undefined;
}
