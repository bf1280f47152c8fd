import { peakMemory } from '../artifacts/runRecord.js';
import type { Measures } from '../progress.js';

/** How far a phase is; updated in place. */
export interface Progress {
  readonly name: string;
  readonly total: number;
  /** Units that were done before; rates are of the others. */
  readonly from: number;
  done: number;
  measures: Measures;
  /** By `now`, as all times in milliseconds. */
  readonly started: number;
  readonly now: () => number;
  readonly memory: () => Memory;
}

/** Resident memory of this process in bytes. */
export interface Memory {
  readonly memoryBytes: number;
  readonly peakMemoryBytes: number;
}

export const ownMemory = (): Memory => ({ memoryBytes: process.memoryUsage.rss(), peakMemoryBytes: peakMemory() });

/** What can be said of a phase. Rates are means since it began, evaluations in between included. */
export interface Figures extends Measures, Partial<Memory> {
  readonly done: number;
  readonly total: number;
  readonly seconds: number;
  /** Not known before the first unit is done. */
  readonly secondsLeft?: number;
  readonly unitsPerSecond?: number;
  readonly examplesPerSecond?: number;
  readonly tokensPerSecond?: number;
}

/** The figures at this moment; those of memory where this process is the one that works on examples. */
export function figuresOf({ total, from, done, measures, started, now, memory }: Progress): Figures {
  const seconds = Math.max((now() - started) / 1000, 1e-3);
  const rate = (done - from) / seconds;
  const { examples, tokens } = measures;
  return {
    done,
    total,
    seconds,
    ...(rate > 0 ? { secondsLeft: Math.max(0, total - done) / rate, unitsPerSecond: rate } : {}),
    ...(examples === undefined ? {} : { examplesPerSecond: examples / seconds }),
    ...(tokens === undefined ? {} : { tokensPerSecond: tokens / seconds }),
    ...measures,
    ...(examples === undefined ? {} : memory()),
  };
}
