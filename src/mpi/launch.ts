import { fstatSync } from 'node:fs';
import { usageError } from '../errors.js';

/** What a launcher (mpirun, srun) has told a process that it started. */
export interface Launch {
  /** From 0. */
  readonly rank: number;
  /** Processes that were started together, where it says so; else the library does. */
  readonly size: number | undefined;
  /** Files that may be the MPI library of the launcher, the likeliest first. */
  readonly libraries: readonly string[];
}

const openMpi = ['libmpi.so.40', 'libmpi.so'];
/** MPICH and what has its binary interface (MVAPICH, Intel MPI, Cray MPICH). */
const mpich = ['libmpich.so.12', 'libmpi.so.12', 'libmpi_cray.so.12'];
/** The standard binary interface of MPI 5. */
const standard = ['libmpi_abi.so.1', 'libmpi_abi.so.0', 'libmpi_abi.so'];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the environment says of a launcher; undefined where no more than one process was started by one, so that nothing of
 * MPI is to be loaded. Slurm's own variables alone do not count: a batch script has them, too, outside of `srun`.
 * DIFFORA_MPI names the library where it lies elsewhere.
 */
export function launchOf(environment: Environment): Launch | undefined {
  const number = (name: string) => {
    const value = Number(environment[name] ?? Number.NaN);
    return Number.isInteger(value) && value >= 0 ? value : undefined;
  };
  const found = (
    [
      ['OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', [...openMpi, ...standard]],
      ['PMI_RANK', 'PMI_SIZE', [...mpich, ...standard, ...openMpi]],
      ['PMIX_RANK', 'SLURM_STEP_NUM_TASKS', [...openMpi, ...mpich, ...standard]],
      ['PMIX_RANK', 'SLURM_NTASKS', [...openMpi, ...mpich, ...standard]],
    ] as const
  ).find(([rank, size]) => number(rank) !== undefined && number(size) !== undefined);
  const { DIFFORA_MPI: named } = environment;
  const librariesOf = (usual: readonly string[]) => (named === undefined || named === '' ? usual : [named]);
  if (found !== undefined) {
    const [rank, size] = [number(found[0])!, number(found[1])!];
    return size < 2 ? undefined : { rank, size, libraries: librariesOf(found[2]) };
  }
  // MPICH's mpirun -pmi-port names a port alone.
  const rank = number('PMI_ID');
  if (environment.PMI_PORT === undefined || rank === undefined) return undefined;
  return { rank, size: undefined, libraries: librariesOf([...mpich, ...standard]) };
}

/**
 * MPICH's launcher hands a file number on, which Node closes to the processes that it starts: npx is one that does.
 * @throws DiffoError (usage) where that number is closed
 */
export function refuseClosedLauncher({ PMI_FD }: Environment): void {
  if (PMI_FD === undefined) return;
  try {
    // The number may have been given out again, to something else.
    if (fstatSync(Number(PMI_FD)).isSocket()) return;
  } catch {
    // It is closed.
  }
  throw usageError(
    'mpirun cannot be reached: npx has closed what MPICH hands on. Start mpirun -n 4 node_modules/.bin/diffora …, or mpirun -pmi-port -n 4 npx diffora ….',
  );
}

/**
 * Turns off, before a library reads it, what UCX does to a process under MPICH and others, unless the environment names it:
 * to hear of memory that is given back it moves the end of the heap and back while the threads of Node take from it, and of 100
 * starts five ended or hung (https://github.com/openucx/ucx/issues/3831); and a handler of its own for crashes waits for ever
 * where the heap is locked, so that a rank hangs that would have ended.
 */
export function quietUcx(environment: Record<string, string | undefined>): void {
  environment.UCX_MEM_EVENTS ??= 'n';
  environment.UCX_HANDLE_ERRORS ??= 'none';
}
