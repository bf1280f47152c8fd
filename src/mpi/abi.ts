/** A handle of MPI: an address, or in MPICH a number. */
export type Handle = bigint | number;

/** The constants of MPI that diffora uses, as one of its binary interfaces has them. */
export interface Abi {
  readonly name: 'Open MPI' | 'MPICH' | 'the standard ABI';
  /** C type of handles. */
  readonly handle: 'void *' | 'int';
  readonly world: Handle;
  readonly byte: Handle;
  readonly float: Handle;
  readonly sum: Handle;
  readonly noInfo: Handle;
  readonly noStatus: bigint | null;
  /** MPI_COMM_TYPE_SHARED */
  readonly sharedMemory: number;
  /** MPI_THREAD_FUNNELED */
  readonly funneled: number;
}

/** What tells the interfaces apart in a library that is open. */
export interface Symbols {
  /** Address of a variable or function; undefined where there is none. */
  address(name: string): bigint | undefined;
  /** MPI_Abi_get_version; undefined where there is none. */
  standardVersion(): number | undefined;
}

/** MPICH's mpi.h, the same since MPICH 3.1 and in all libraries with its interface. */
const mpich: Abi = {
  name: 'MPICH',
  handle: 'int',
  world: 0x44000000,
  byte: 0x4c00010d,
  float: 0x4c00040a,
  sum: 0x58000003,
  noInfo: 0x1c000000,
  noStatus: 1n,
  sharedMemory: 1,
  funneled: 1,
};

/** The mpi.h of MPI 5.0, chapter 20 (ABI 1.0). */
const standard: Abi = {
  name: 'the standard ABI',
  handle: 'void *',
  world: 0x101n,
  byte: 0x247n,
  float: 0x210n,
  sum: 0x21n,
  noInfo: 0x130n,
  noStatus: null,
  sharedMemory: 221,
  funneled: 1024,
};

/** Open MPI names its handles by variables; the standard has a function that says its version; MPICH has neither. */
export function abiOf({ address, standardVersion }: Symbols): Abi {
  const world = address('ompi_mpi_comm_world');
  if (world !== undefined) {
    return {
      name: 'Open MPI',
      handle: 'void *',
      world,
      byte: address('ompi_mpi_byte')!,
      float: address('ompi_mpi_float')!,
      sum: address('ompi_mpi_op_sum')!,
      noInfo: address('ompi_mpi_info_null')!,
      noStatus: null,
      sharedMemory: 0,
      funneled: 1,
    };
  }
  return (standardVersion() ?? 0) >= 1 ? standard : mpich;
}
