import { DiffoError, type ExitCode } from '../errors.js';
import type { LocalRank } from '../runtime/devices/deviceOfRank.js';
import { fixedSum, type SumOptions } from './fixedSum.js';
import type { Transport } from './transport.js';

/** Processes that do one piece of work together, as one of them sees it. Left out where there is one alone. */
export interface Ranks {
  /** From 0: the first writes, and tells of the work. */
  readonly rank: number;
  readonly size: number;
  /** Place among the ranks of the same machine, and how many these are, where it is known. */
  readonly local?: LocalRank | undefined;
  /** See `fixedSum`. */
  sum(arrays: readonly (Float32Array | Float64Array)[], options?: SumOptions): Promise<void>;
  /** What every rank has, in their order. */
  gather(own: Uint8Array): Promise<Uint8Array[]>;
  /** The same of numbers, as many of every rank. */
  numbers(...own: number[]): Promise<number[][]>;
  /** What the first rank has. */
  bytesFromFirst(own?: Uint8Array): Promise<Uint8Array>;
  /**
   * What the first rank makes, as JSON has it; undefined stays so. Where it fails, all fail alike.
   * @param make called on the first rank alone
   */
  fromFirst<T>(make: () => T | Promise<T>): Promise<T>;
}

/** Bytes of a round: MPI counts in 31 bits. */
const usualRound = 2 ** 28;

/** @param round bytes that pass at a time, at most */
export function ranksOver(transport: Transport, round = usualRound): Ranks {
  const { rank, size } = transport;
  const equal = (bytes: number) => new Int32Array(size).fill(bytes);

  const numbers = async (...own: number[]) => {
    const values = Float64Array.from(own);
    const found = await transport.gather(new Uint8Array(values.buffer), equal(values.byteLength));
    const all = new Float64Array(found.buffer, found.byteOffset, found.byteLength / 8);
    return Array.from({ length: size }, (_, i) => Array.from(all.subarray(i * own.length, (i + 1) * own.length)));
  };

  const gather = async (own: Uint8Array) => {
    const lengths = (await numbers(own.length)).map(([length]) => length!);
    const all = lengths.map((length) => new Uint8Array(length));
    const share = Math.max(1, Math.floor(round / Math.max(1, lengths.filter((length) => length > 0).length)));
    for (let start = 0; start < Math.max(...lengths); start += share) {
      const counts = Int32Array.from(lengths, (length) => Math.max(0, Math.min(share, length - start)));
      const found = await transport.gather(own.slice(start, start + share), counts);
      let at = 0;
      for (const [i, count] of counts.entries()) {
        if (count > 0) all[i]!.set(found.subarray(at, at + count), start);
        at += count;
      }
    }
    return all;
  };

  const bytesFromFirst = async (own = new Uint8Array()) => (await gather(rank === 0 ? own : new Uint8Array()))[0]!;

  return {
    rank,
    size,
    sum: (arrays, options) => fixedSum(transport, arrays, options),
    numbers,
    gather,
    bytesFromFirst,
    async fromFirst<T>(make: () => T | Promise<T>): Promise<T> {
      let failure: unknown;
      let said: { value?: T; error?: string; exitCode?: ExitCode } = {};
      if (rank === 0) {
        try {
          said = { value: await make() };
        } catch (error) {
          failure = error;
          said = {
            error: error instanceof Error ? error.message : String(error),
            exitCode: error instanceof DiffoError ? error.exitCode : 1,
          };
        }
      }
      const bytes = await bytesFromFirst(new TextEncoder().encode(JSON.stringify(said)));
      if (failure !== undefined) throw failure;
      const heard = rank === 0 ? said : (JSON.parse(new TextDecoder().decode(bytes)) as typeof said);
      if (heard.error !== undefined) throw new DiffoError(heard.error, { exitCode: heard.exitCode ?? 1 });
      return heard.value as T;
    },
  };
}
