import { type Ranks, ranksOver } from '../../src/mpi/ranks.js';
import type { Transport } from '../../src/mpi/transport.js';
import { offsetsOf } from '../../src/mpi/transport.js';

/** Ranks within this process: what one of them waits for, the others bring. */
export function pretendedTransports(size: number): Transport[] {
  const turns = new Map<number, { given: unknown[]; count: number; done: () => void; all: Promise<void> }>();
  const meet = async <T>(turn: number, rank: number, own: T): Promise<T[]> => {
    let one = turns.get(turn);
    if (one === undefined) {
      let done = () => {};
      const all = new Promise<void>((resolve) => {
        done = resolve;
      });
      one = { given: new Array(size), count: 0, done, all };
      turns.set(turn, one);
    }
    one.given[rank] = own;
    if (++one.count === size) one.done();
    await one.all;
    return one.given as T[];
  };
  return Array.from({ length: size }, (_, rank): Transport => {
    let turn = 0;
    return {
      rank,
      size,
      async exchange(send, counts, received) {
        const all = await meet(turn++, rank, { send: send.slice(), counts });
        const parts = all.map((one) => {
          const from = offsetsOf(one.counts)[rank]!;
          return one.send.subarray(from, from + one.counts[rank]!);
        });
        if (parts.some(({ length }, i) => length !== received[i])) throw new Error('other lengths came than were told');
        return joined(parts);
      },
      async gather(own, counts) {
        const parts = await meet(turn++, rank, own.slice());
        if (parts.some(({ length }, i) => length !== counts[i])) throw new Error('other lengths came than were told');
        return joined(parts);
      },
    };
  });
}

/** The same work on so many ranks, and what each gives. */
export function onRanks<T>(size: number, work: (ranks: Ranks) => Promise<T>): Promise<T[]> {
  return Promise.all(pretendedTransports(size).map((transport) => work(ranksOver(transport))));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
