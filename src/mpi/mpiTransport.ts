import { DiffoError } from '../errors.js';
import type { Handle } from './abi.js';
import type { MpiLibrary } from './library.js';
import { offsetsOf, type Transport } from './transport.js';
import { waiting } from './waiting.js';

/** Messages between two ranks, beside what all do together. */
export interface Post {
  send(to: number, bytes: Uint8Array): Promise<void>;
  /** What a rank has sent, where something has come; undefined where nothing has. */
  received(from: number): Promise<Uint8Array | undefined>;
}

const [lengthTag, bytesTag] = [1, 2];

/** Calls MPI, each call started and then waited for. @param look called while it waits long; see `waiting` */
export function mpiTransport(mpi: MpiLibrary, world: Handle, look: () => void): Transport & Post {
  const { byte, noStatus } = mpi.abi;
  const ask = (call: MpiLibrary['commRank']) => {
    const value = new Int32Array(1);
    checked('Comm_rank', call(world, value));
    return value[0]!;
  };
  const [rank, size] = [ask(mpi.commRank), ask(mpi.commSize)];
  // A handle is an address, or in MPICH a number of 32 bits: both lie at its start.
  const request = () => new BigInt64Array(1);
  const finished = async (of: BigInt64Array) => {
    const flag = new Int32Array(1);
    await waiting(() => {
      checked('Test', mpi.test(of, flag, noStatus));
      return flag[0] !== 0;
    }, look);
  };

  return {
    rank,
    size,
    async exchange(send, counts, received) {
      const into = new Uint8Array(received.reduce((sum, count) => sum + count, 0));
      const [to, from, of] = [offsetsOf(counts), offsetsOf(received), request()];
      checked('Ialltoallv', mpi.ialltoallv(send, counts, to, byte, into, received, from, byte, world, of));
      await finished(of);
      return into;
    },
    async gather(own, counts) {
      const into = new Uint8Array(counts.reduce((sum, count) => sum + count, 0));
      const [places, of] = [offsetsOf(counts), request()];
      checked('Iallgatherv', mpi.iallgatherv(own, own.length, byte, into, counts, places, byte, world, of));
      await finished(of);
      return into;
    },
    async send(to, bytes) {
      const length = Int32Array.of(bytes.length);
      const [first, second] = [request(), request()];
      checked('Isend', mpi.isend(length, 4, byte, to, lengthTag, world, first));
      checked('Isend', mpi.isend(bytes, bytes.length, byte, to, bytesTag, world, second));
      await finished(first);
      await finished(second);
    },
    async received(from) {
      const flag = new Int32Array(1);
      checked('Iprobe', mpi.iprobe(from, lengthTag, world, flag, noStatus));
      if (flag[0] === 0) return undefined;
      const receive = async (into: Int32Array | Uint8Array, tag: number) => {
        const of = request();
        checked('Irecv', mpi.irecv(into, into.byteLength, byte, from, tag, world, of));
        await finished(of);
      };
      const length = new Int32Array(1);
      await receive(length, lengthTag);
      const bytes = new Uint8Array(length[0]!);
      await receive(bytes, bytesTag);
      return bytes;
    },
  };
}

/** By default MPI ends all ranks on an error; a library may be told to return it. */
export function checked(name: string, code: number): void {
  if (code !== 0) throw new DiffoError(`MPI_${name} failed with the code ${code}.`);
}
