import { DiffoError, usageError } from '../errors.js';
import { type Abi, abiOf, type Handle } from './abi.js';
import type { Launch } from './launch.js';

type Koffi = typeof import('koffi');
/** An argument in C: a number, a handle, an array where it lies, or none. */
type Argument = Handle | ArrayBufferView | null;
type Call = (...args: Argument[]) => number;

/** The functions of MPI that diffora calls. Each returns MPI's error code, 0 for none. */
export interface MpiLibrary {
  /** The file that was opened. */
  readonly file: string;
  readonly abi: Abi;
  readonly initThread: Call;
  readonly finalize: Call;
  readonly abort: Call;
  readonly commRank: Call;
  readonly commSize: Call;
  readonly commDup: Call;
  readonly commSplitType: Call;
  readonly ialltoallv: Call;
  readonly iallgatherv: Call;
  readonly allreduce: Call;
  readonly isend: Call;
  readonly irecv: Call;
  readonly iprobe: Call;
  readonly test: Call;
}

/**
 * Opens the MPI library of a launcher by koffi.
 * @param load imports koffi
 * @throws DiffoError (usage) where koffi is not installed, or no library is found
 */
export async function openLibrary(
  { libraries }: Pick<Launch, 'libraries'>,
  load: () => Promise<unknown> = () => import('koffi'),
): Promise<MpiLibrary> {
  const koffi = (await load().catch((error) => {
    throw usageError(
      `mpirun needs the package koffi, which cannot be loaded. Install it: npm install koffi. (${error.code ?? error})`,
    );
  })) as { readonly default: Koffi };
  const { load: open } = koffi.default;
  const failures: string[] = [];
  for (const file of libraries) {
    let library: ReturnType<Koffi['load']>;
    try {
      // The plugins of Open MPI look its symbols up in the whole process.
      library = open(file, { global: true });
    } catch (error) {
      failures.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    return bound(file, library);
  }
  throw new DiffoError(
    `No MPI library can be opened (${failures.join('; ')}). Install Open MPI or MPICH, or name its file in DIFFORA_MPI.`,
  );
}

function bound(file: string, library: ReturnType<Koffi['load']>): MpiLibrary {
  const address = (name: string): bigint | undefined => {
    try {
      return library.symbol(name) as bigint;
    } catch {
      return undefined;
    }
  };
  const abi = abiOf({
    address,
    standardVersion() {
      if (address('MPI_Abi_get_version') === undefined) return undefined;
      const [major, minor] = [new Int32Array(1), new Int32Array(1)];
      library.func('MPI_Abi_get_version', 'int', ['void *', 'void *'])(major, minor);
      return major[0]!;
    },
  });
  const call = (name: string, types: string): Call =>
    library.func(
      `MPI_${name}`,
      'int',
      [...types].map((letter) => ({ h: abi.handle, i: 'int', p: 'void *' })[letter]!),
    );
  return {
    file,
    abi,
    initThread: call('Init_thread', 'ppip'),
    finalize: call('Finalize', ''),
    abort: call('Abort', 'hi'),
    commRank: call('Comm_rank', 'hp'),
    commSize: call('Comm_size', 'hp'),
    commDup: call('Comm_dup', 'hp'),
    commSplitType: call('Comm_split_type', 'hiihp'),
    ialltoallv: call('Ialltoallv', 'ppphppphhp'),
    iallgatherv: call('Iallgatherv', 'pihppphhp'),
    allreduce: call('Allreduce', 'ppihhh'),
    isend: call('Isend', 'pihiihp'),
    irecv: call('Irecv', 'pihiihp'),
    iprobe: call('Iprobe', 'iihpp'),
    test: call('Test', 'ppp'),
  };
}
