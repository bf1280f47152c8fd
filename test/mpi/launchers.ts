import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { built, type Started, startProgram } from '../cli/started.js';

/** An MPI whose ranks can be started here. */
export interface Launcher {
  readonly name: string;
  readonly isThere: boolean;
  /** Starts the command line on so many ranks. */
  start(ranks: number, ...args: readonly string[]): Started;
  /** Starts a rank for each, in a folder and with arguments of its own. */
  startEach(...each: readonly { readonly folder: string; readonly args: readonly string[] }[]): Started;
}

/** Debian has both beside each other. As root, and with more ranks than cores, Open MPI wants to be told. */
const environment = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };

function launcher(name: string, program: string, ...flags: readonly string[]): Launcher {
  const start = (args: readonly string[]) => startProgram(program, [...flags, ...args], { env: environment });
  const diffora = [process.execPath, built('dist', 'cli', 'main.js')];
  return {
    name,
    isThere: spawnSync(program, ['--version'], { env: environment }).status === 0,
    start: (ranks, ...args) => start(['-n', `${ranks}`, ...diffora, ...args]),
    startEach: (...each) =>
      start(
        each.flatMap(({ folder, args }, i) => [
          ...(i > 0 ? [':'] : []),
          ...['-n', '1', '-wdir', folder, ...diffora, ...args],
        ]),
      ),
  };
}

export const launchers: readonly Launcher[] = [
  launcher('Open MPI', 'mpirun.openmpi', '--oversubscribe'),
  launcher('MPICH', 'mpirun.mpich'),
];

/** Processes of the ranks that write to a folder, by rank. */
export function processesOf(output: string): Map<number, number> {
  const found = new Map<number, number>();
  for (const pid of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (args[0] !== process.execPath || !args.includes(output)) continue;
      const text = readFileSync(`/proc/${pid}/environ`, 'utf8');
      const rank = /(?:^|\0)(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(text)?.[1];
      if (rank !== undefined) found.set(Number(rank), Number(pid));
    } catch {
      // It has ended between.
    }
  }
  return found;
}
