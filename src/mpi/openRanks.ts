import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { DiffoError } from '../errors.js';
import { isAlive, startOf } from '../files/lock.js';
import type { LocalRank } from '../runtime/devices/deviceOfRank.js';
import type { Handle } from './abi.js';
import { type Launch, quietUcx, refuseClosedLauncher } from './launch.js';
import { openLibrary } from './library.js';
import { checked, mpiTransport, type Post } from './mpiTransport.js';
import { type Ranks, ranksOver } from './ranks.js';

/** The ranks that a launcher has started, with what only one of them has: a machine, and an end. */
export interface LaunchedRanks extends Ranks {
  /** Which MPI it is, and its file. */
  readonly library: string;
  readonly local: LocalRank;
  /** CPU threads that a rank has for itself: the cores that it may run on, divided by the ranks that share them. */
  readonly threads: number;
  readonly post: Post;
  /** What a rank is called in messages. */
  nameOf(rank: number): string;
  /** Ranks of this machine whose processes have ended. */
  ended(): number[];
  /** The first rank of this machine that is none of these. */
  firstNear(without: readonly number[]): number;
  /** Whether all ranks end with such a failure; waits two seconds for them to say so. */
  allFail(message: string): Promise<boolean>;
  /** Ends the ranks together, once all have come so far. */
  close(): void;
  /** Ends all ranks at once. */
  abort(exitCode: number): void;
}

/** A rank has ended before its work was done: nobody can go on without it. */
export class RankEndedError extends DiffoError {}

/** Milliseconds in which ranks that fail alike do so. */
const patience = 2000;

interface Process {
  readonly host: string;
  readonly pid: number;
  readonly started: string | undefined;
  /** First rank of the machine, as MPI has it: what shares memory. */
  readonly leader: number;
  readonly cores: string;
}

/**
 * Finds the ranks that belong together. Nothing else of MPI runs in the process.
 * @throws DiffoError (usage) where koffi or the MPI library is missing
 */
export async function openRanks(launch: Launch): Promise<LaunchedRanks> {
  refuseClosedLauncher(process.env);
  quietUcx(process.env);
  const mpi = await openLibrary(launch);
  const { abi } = mpi;
  checked('Init_thread', mpi.initThread(null, null, abi.funneled, new Int32Array(1)));
  const handle = (make: (into: ArrayBufferView) => number): Handle => {
    const into = new BigInt64Array(1);
    checked('Comm', make(into));
    return abi.handle === 'int' ? new Int32Array(into.buffer)[0]! : into[0]!;
  };
  // Nothing passes here but how ranks end, so that it cannot be taken for a step's.
  const endings = handle((into) => mpi.commDup(abi.world, into));
  const near = handle((into) => mpi.commSplitType(abi.world, abi.sharedMemory, 0, abi.noInfo, into));

  let processes: readonly Process[] = [];
  const ended = () =>
    processes.flatMap((one, i) =>
      one.host === hostname() && !isAlive({ pid: one.pid, started: one.started }) ? i : [],
    );
  const look = () => {
    const [gone] = ended();
    if (gone !== undefined) {
      throw new RankEndedError(`${nameOf(gone)} has ended before its work was done, and the others end with it.`);
    }
  };
  const nameOf = (of: number) => {
    const { host, pid } = processes[of]!;
    return `Rank ${of} (process ${pid} on ${host})`;
  };
  const transport = mpiTransport(mpi, abi.world, look);
  const ranks = ranksOver(transport);
  if (launch.size !== undefined && ranks.size !== launch.size) {
    throw new DiffoError(
      `The launcher has started ${launch.size} processes, and ${mpi.file} finds ${ranks.size} of them: it is another MPI's. Name the library in DIFFORA_MPI.`,
    );
  }
  const beside = mpiTransport(mpi, near, look);
  const [leader] = (await ranksOver(beside).numbers(ranks.rank))[0]!;
  const own: Process = {
    host: hostname(),
    pid: process.pid,
    started: startOf(process.pid),
    leader: leader!,
    cores: coresOf(),
  };
  const told = await ranks.gather(new TextEncoder().encode(JSON.stringify(own)));
  processes = told.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Process);
  const sharing = processes.filter((one) => one.leader === own.leader && one.cores === own.cores).length;
  const vote = mpiTransport(mpi, endings, look);
  return {
    ...ranks,
    library: `${abi.name} (${mpi.file})`,
    local: { rank: beside.rank, size: beside.size },
    threads: Math.max(1, Math.floor(availableParallelism() / sharing)),
    post: transport,
    nameOf,
    ended,
    firstNear: (without) => processes.findIndex(({ host }, i) => host === own.host && !without.includes(i)),
    async allFail(message) {
      const hash = createHash('sha256').update(message).digest();
      const counts = new Int32Array(ranks.size).fill(hash.length);
      const timer = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), patience).unref());
      const all = await Promise.race([vote.gather(hash, counts).catch(() => undefined), timer]);
      if (all === undefined) return false;
      return processes.every((_, i) => hash.equals(all.subarray(i * hash.length, (i + 1) * hash.length)));
    },
    close: () => checked('Finalize', mpi.finalize()),
    abort: (exitCode) => void mpi.abort(abi.world, exitCode),
  };
}

/** The cores that this process may run on, as Linux lists them: launchers bind their ranks. */
function coresOf(): string {
  try {
    return /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}
