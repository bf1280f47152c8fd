import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { abiOf } from '../../src/mpi/abi.js';
import { launchOf, quietUcx, refuseClosedLauncher } from '../../src/mpi/launch.js';
import { openLibrary } from '../../src/mpi/library.js';

describe('what a launcher says', () => {
  it('is read from the variables of Open MPI, of PMI (MPICH, srun --mpi=pmi2) and of PMIx under srun', () => {
    const openMpi = launchOf({ OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4', PMIX_RANK: '1' });
    expect(openMpi).toMatchObject({ rank: 1, size: 4 });
    expect(openMpi!.libraries[0]).toBe('libmpi.so.40');
    const mpich = launchOf({ PMI_RANK: '0', PMI_SIZE: '2', PMI_FD: '6' });
    expect(mpich).toMatchObject({ rank: 0, size: 2 });
    expect(mpich!.libraries[0]).toBe('libmpich.so.12');
    expect(launchOf({ PMIX_RANK: '3', SLURM_NTASKS: '8' })).toMatchObject({ rank: 3, size: 8 });
    expect(launchOf({ PMI_ID: '1', PMI_PORT: 'host:4000' })).toMatchObject({ rank: 1, size: undefined });
  });

  it('is nothing without one, for one process, and in a batch script of Slurm', () => {
    expect(launchOf({})).toBeUndefined();
    expect(launchOf({ OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' })).toBeUndefined();
    expect(launchOf({ SLURM_NTASKS: '4', SLURM_PROCID: '0' })).toBeUndefined();
  });

  it('gives way to DIFFORA_MPI for the library', () => {
    expect(launchOf({ PMI_RANK: '0', PMI_SIZE: '2', DIFFORA_MPI: '/opt/mpi/libmpi.so' })!.libraries).toEqual([
      '/opt/mpi/libmpi.so',
    ]);
  });

  it('has a sentence where npx has closed what MPICH hands on', () => {
    expect(() => refuseClosedLauncher({ PMI_FD: '987654' })).toThrow(/npx has closed .* -pmi-port -n 4 npx diffora/);
    // A number that has been given out again, to a file.
    const file = openSync(import.meta.filename, 'r');
    expect(() => refuseClosedLauncher({ PMI_FD: `${file}` })).toThrow(/npx has closed/);
    closeSync(file);
    expect(() => refuseClosedLauncher({})).not.toThrow();
  });
});

describe('UCX', () => {
  it('is told to leave the heap and crashes alone, unless the environment says what it shall do', () => {
    const environment: Record<string, string | undefined> = {};
    quietUcx(environment);
    expect(environment).toEqual({ UCX_MEM_EVENTS: 'n', UCX_HANDLE_ERRORS: 'none' });
    const named = { UCX_MEM_EVENTS: 'y', UCX_HANDLE_ERRORS: 'bt' };
    quietUcx(named);
    expect(named).toEqual({ UCX_MEM_EVENTS: 'y', UCX_HANDLE_ERRORS: 'bt' });
  });
});

describe('the library', () => {
  it('needs koffi, and says how to install it', async () => {
    const missing = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' }));
    await expect(openLibrary({ libraries: ['libmpi.so.40'] }, missing)).rejects.toThrow(
      /Install it: npm install koffi\. \(ERR_MODULE_NOT_FOUND\)/,
    );
  });

  it('that cannot be opened is named, with what to do', async () => {
    await expect(openLibrary({ libraries: ['libno-such-mpi.so.1'] })).rejects.toThrow(
      /libno-such-mpi\.so\.1.* Install Open MPI or MPICH, or name its file in DIFFORA_MPI/,
    );
  });

  it('is Open MPI by its variables, the standard ABI by its version, else MPICH', () => {
    const openMpi = abiOf({
      address: (name) => (name.startsWith('ompi_') ? 4096n : undefined),
      standardVersion: () => 1,
    });
    expect(openMpi).toMatchObject({ name: 'Open MPI', handle: 'void *', world: 4096n, byte: 4096n });
    const nothing = () => undefined;
    // MPI_COMM_WORLD, MPI_BYTE, MPI_FLOAT and MPI_SUM of MPI 5.0, chapter 20, and of MPICH's mpi.h.
    expect(abiOf({ address: nothing, standardVersion: () => 1 })).toMatchObject({
      ...{ handle: 'void *', world: 0x101n, byte: 0x247n, float: 0x210n, sum: 0x21n, sharedMemory: 221 },
    });
    for (const version of [undefined, -1]) {
      expect(abiOf({ address: nothing, standardVersion: () => version })).toMatchObject({
        ...{ handle: 'int', world: 0x44000000, byte: 0x4c00010d, float: 0x4c00040a, sum: 0x58000003 },
      });
    }
  });
});
