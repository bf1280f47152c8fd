import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { inOrder } from '../logs/log.js';
import type { MatrixFrame, Measures, Phase } from '../progress.js';
import type { Reporter } from '../reporter.js';
import { withoutSecrets } from '../secrets.js';

export const progressFormat = 'diffora-progress/1';

/** What a run tells while it goes on; stays in its folder. */
export const PROGRESS_FILE = 'progress.jsonl';

/** Milliseconds after which what was told is in the file, and between two lines of how fast it goes. */
const pause = 200;

/** Matrices that are kept of a search, at most twice as many: more than a slider can tell apart. */
const mostFrames = 100;

/** What the first line says of a run. */
export interface BegunRun {
  readonly command: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly isResumed: boolean;
}

/** progress.jsonl while its run goes on. */
interface ProgressFile {
  /** Tells the file, and the given reporter all the same. */
  reporter(told: Reporter): Reporter;
  /** The last line. @param error of a run that failed */
  end(outcome: 'finished' | 'stopped' | 'failed', error?: string): Promise<void>;
}

/**
 * Does work that tells progress.jsonl of a folder what it tells its reporter, to the line of how it ended.
 * @param work `isDone` is to be called once all is written that stays, while the file lies where it was opened
 */
export async function withProgressFile<T>(
  folder: string,
  begun: BegunRun,
  { reporter, signal }: { readonly reporter: Reporter; readonly signal?: AbortSignal | undefined },
  work: (reporter: Reporter, isDone: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const file = await openProgressFile(folder, begun, reporter.warn);
  try {
    return await work(file.reporter(reporter), () => file.end('finished'));
  } catch (error) {
    await file.end(
      signal?.aborted === true ? 'stopped' : 'failed',
      error instanceof Error ? error.message : String(error),
    );
    throw error;
  }
}

/**
 * Opens progress.jsonl in a folder, to be added to. What cannot be written is warned of once, and the run goes on without it:
 * nothing that a run gives hangs on this file.
 */
async function openProgressFile(
  folder: string,
  { command, config, isResumed }: BegunRun,
  warn: (message: string) => void,
): Promise<ProgressFile> {
  const path = join(folder, PROGRESS_FILE);
  const queue = inOrder(path, warn);
  const started = performance.now();
  const seconds = () => Math.round(performance.now() - started) / 1000;
  let file: FileHandle | undefined;
  let hasEnded = false;
  queue.add(async () => {
    file = await open(path, isResumed ? 'a' : 'w');
  });
  let waiting: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const text = waiting.join('');
    waiting = [];
    if (text !== '') queue.add(async () => void (await file?.appendFile(text)));
  };
  const tell = (line: object) => {
    waiting.push(`${JSON.stringify(line)}\n`);
    timer ??= setTimeout(flush, pause).unref();
  };
  tell({
    event: 'begin',
    format: progressFormat,
    command,
    time: new Date().toISOString(),
    pid: process.pid,
    host: hostname(),
    isResumed,
    config,
  });
  flush();
  return {
    reporter: (told) => recorded(told, (line) => tell({ ...line, seconds: seconds() })),
    async end(outcome, error) {
      if (hasEnded) return;
      hasEnded = true;
      tell({
        event: 'end',
        outcome,
        ...(error === undefined ? {} : { error: withoutSecrets(error) }),
        seconds: seconds(),
      });
      flush();
      await queue.done();
      await file?.close().catch(() => undefined);
      file = undefined;
    },
  };
}

/** A reporter that tells `tell` what a page about the run shows. */
function recorded(told: Reporter, tell: (line: object) => void): Reporter {
  return {
    info: (message) => {
      tell({ event: 'info', message: withoutSecrets(message) });
      told.info(message);
    },
    warn: (message) => {
      tell({ event: 'warning', message: withoutSecrets(message) });
      told.warn(message);
    },
    phase: (name, total, from = 0) => recordedPhase(told.phase(name, total, from), { name, total, from }, tell),
    evaluated: (steps, scores) => {
      tell({ phase: 'evaluate', step: steps - 1, scores });
      told.evaluated(steps, scores);
    },
    stepped: (step) => {
      tell({ phase: 'train', ...step });
      told.stepped?.(step);
    },
    searched: (step, total, matrix) => {
      tell({ phase: 'search', ...step, totalSteps: total });
      const every = Math.ceil(total / mostFrames);
      if (step.step % every === 0 || step.step === total - 1) {
        tell({ event: 'matrix', step: step.step, ...rounded(matrix()) });
      }
      told.searched?.(step, total, matrix);
    },
    selected: (matrix, select) => {
      tell({ event: 'selected', select, ...rounded(matrix) });
      told.selected?.(matrix, select);
    },
  };
}

function recordedPhase(
  told: Phase,
  { name, total, from }: { readonly name: string; readonly total: number; readonly from: number },
  tell: (line: object) => void,
): Phase {
  tell({ event: 'phase', name, total, from });
  let last = performance.now();
  let tokensBefore = 0;
  return {
    update(done, measures: Measures = {}) {
      told.update(done, measures);
      const now = performance.now();
      if (now - last < pause) return;
      const { tokens } = measures;
      const tokensPerSecond =
        tokens === undefined ? undefined : Math.round((1000 * (tokens - tokensBefore)) / (now - last));
      tell({ event: 'pace', name, done, total, tokensPerSecond, memoryBytes: process.memoryUsage.rss() });
      last = now;
      tokensBefore = tokens ?? 0;
    },
    end: () => told.end(),
  };
}

/** To four digits: a page shows no more. */
function rounded({ modules, values, gamma, rows, there }: MatrixFrame): MatrixFrame {
  const short = values.map((row) => row.map((value) => Number(value.toPrecision(4))));
  return { modules, values: short, gamma, rows, there };
}
