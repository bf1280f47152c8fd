import { setTimeout } from 'node:timers/promises';
import { DiffoError, type ExitCode } from '../../errors.js';
import type { LaunchedRanks } from '../../mpi/openRanks.js';
import type { Ranks } from '../../mpi/ranks.js';
import type { RunningWork } from '../../progress.js';
import { deviceOfRank } from '../../runtime/devices/deviceOfRank.js';
import { type RunHooks, runInProcess, type WorkerOutcome } from './process.js';
import type { WorkerJob } from './worker.js';

/** Milliseconds between two looks for a message: who waits for the others leaves them the cores. */
const betweenLooks = 20;

type ToWorker =
  | { readonly type: 'job'; readonly job: WorkerJob }
  | { readonly type: 'end'; readonly error?: string; readonly exitCode?: ExitCode };

type ToFirst =
  | { readonly type: 'progress'; readonly progress: Omit<RunningWork, 'name'> }
  | { readonly type: 'outcome'; readonly outcome: WorkerOutcome };

/** Where a run can be done. */
export interface Place {
  run(job: WorkerJob, hooks: RunHooks): Promise<WorkerOutcome>;
  /** Nothing can be done there any more. */
  isGone(): boolean;
}

/** This machine, in a process for each run. */
export const here: Place = { run: runInProcess, isGone: () => false };

type Talking = Pick<LaunchedRanks, 'rank' | 'size' | 'post' | 'ended' | 'nameOf'> & Pick<Ranks, 'local'>;

/** The other ranks, as the first hands runs out to them. */
export function placesOf(ranks: Talking): Place[] {
  return Array.from({ length: ranks.size - 1 }, (_, i) => placeOf(ranks, i + 1));
}

function placeOf(ranks: Talking, rank: number): Place {
  const isGone = () => ranks.ended().includes(rank);
  return {
    isGone,
    async run(job, { signal, onProgress }) {
      await say<ToWorker>(ranks, rank, { type: 'job', job });
      for (;;) {
        signal?.throwIfAborted();
        const heard = await hear<ToFirst>(ranks, rank);
        if (heard?.type === 'outcome') return heard.outcome;
        if (heard?.type === 'progress') onProgress?.(heard.progress);
        else if (isGone()) return { status: 'failed', error: `${ranks.nameOf(rank)} has ended, and its run with it.` };
        else await setTimeout(betweenLooks);
      }
    },
  };
}

/** The first rank is done: tells the others, and why where it has failed, so that all fail alike. */
export async function endPlaces(ranks: Talking, failure?: unknown): Promise<void> {
  const gone = ranks.ended();
  const end: ToWorker =
    failure instanceof DiffoError
      ? { type: 'end', error: failure.message, exitCode: failure.exitCode }
      : { type: 'end' };
  for (let rank = 1; rank < ranks.size; rank++) if (!gone.includes(rank)) await say(ranks, rank, end);
}

/**
 * Does what the first rank hands out, each run in a process of its own, until there is no more.
 * @param threads of a run
 * @param run does a run
 * @throws DiffoError where the first rank has failed
 */
export async function workForFirst(
  ranks: Talking,
  { signal, threads, run = runInProcess }: { signal?: AbortSignal; threads: number; run?: typeof runInProcess },
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const heard = await hear<ToWorker>(ranks, 0);
    if (heard === undefined) {
      if (ranks.ended().includes(0)) throw new DiffoError(`${ranks.nameOf(0)} has ended, and the others end with it.`);
      await setTimeout(betweenLooks);
      continue;
    }
    if (heard.type === 'end') {
      if (heard.error === undefined) return;
      throw new DiffoError(heard.error, { exitCode: heard.exitCode ?? 1 });
    }
    const { config } = heard.job;
    // One message after the other, and the outcome last.
    let told = Promise.resolve();
    const tell = (message: ToFirst) => {
      told = told.then(() => say(ranks, 0, message));
      return told;
    };
    const device = await deviceOfRank(config.run.device, ranks.local);
    const outcome = await run(
      { ...heard.job, config: { ...config, run: { ...config.run, threads, device } } },
      { signal, onProgress: (progress) => void tell({ type: 'progress', progress }) },
    );
    await tell({ type: 'outcome', outcome });
  }
}

function say<Message>(ranks: Talking, rank: number, message: Message): Promise<void> {
  return ranks.post.send(rank, new TextEncoder().encode(JSON.stringify(message)));
}

async function hear<Message>(ranks: Talking, rank: number): Promise<Message | undefined> {
  const bytes = await ranks.post.received(rank);
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Message);
}
