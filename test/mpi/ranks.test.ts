import { describe, expect, it } from 'vitest';
import { usageError } from '../../src/errors.js';
import { fixedSum } from '../../src/mpi/fixedSum.js';
import { ranksOver } from '../../src/mpi/ranks.js';
import { waiting } from '../../src/mpi/waiting.js';
import { randomStream } from '../../src/random.js';
import { onRanks, pretendedTransports } from './pretended.js';

const sizes = [2, 3, 5];

function drawn(length: number, ...name: (string | number)[]): Float32Array {
  const stream = randomStream(1, 'ranks', ...name);
  return Float32Array.from({ length }, () => stream.normal());
}

describe('a sum over ranks', () => {
  it.each(sizes)('of %i is that of their weighted arrays in their order, to the bit, on all of them', async (size) => {
    const lengths = [7, 1, 12];
    const factors = Array.from({ length: size }, (_, i) => (i === 1 ? 0 : 0.1 + i));
    const given = Array.from({ length: size }, (_, rank) => lengths.map((length, i) => drawn(length, rank, i)));
    // What a rank that adds nothing holds must not count, not even as 0 · NaN.
    given[1]![0]!.fill(Number.NaN);
    const expected = lengths.map((length, i) => {
      const sum = new Float32Array(length);
      for (const [rank, factor] of factors.entries()) {
        if (factor !== 0) for (let k = 0; k < length; k++) sum[k] = sum[k]! + factor * given[rank]![i]![k]!;
      }
      return sum;
    });
    await onRanks(size, (ranks) => ranks.sum(given[ranks.rank]!, { factors }));
    for (const own of given) expect(own).toEqual(expected);
  });

  it.each([1, 4, 5, 1000])('does not depend on how many numbers pass in a round (%i)', async (round) => {
    const given = [0, 1, 2].map((rank) => [drawn(9, rank), Float64Array.from(drawn(6, rank)), drawn(4, rank, 'c')]);
    const whole = given.map((own) => own.map((one) => one.slice()));
    await Promise.all(pretendedTransports(3).map((one) => fixedSum(one, given[one.rank]!, {}, round)));
    await Promise.all(pretendedTransports(3).map((one) => fixedSum(one, whole[one.rank]!)));
    expect(given).toEqual(whole);
  });

  it('in bf16 has the same bits on all ranks, and is off by 2⁻⁷ of what is added at most', async () => {
    const given = [0, 1, 2].map((rank) => drawn(50, rank));
    const exact = Float64Array.from(given[0]!, (_, i) => given.reduce((sum, one) => sum + one[i]!, 0));
    const size = Float64Array.from(given[0]!, (_, i) => given.reduce((sum, one) => sum + Math.abs(one[i]!), 0));
    await onRanks(3, (ranks) => ranks.sum([given[ranks.rank]!], { as: 'bf16' }));
    expect(given[1]).toEqual(given[0]);
    expect(given[2]).toEqual(given[0]);
    // Rounded twice to 8 bits, by 2⁻⁸ at most each: what is sent, and the sum.
    for (const [i, sum] of given[0]!.entries())
      expect(Math.abs(sum - exact[i]!)).toBeLessThanOrEqual(size[i]! * 2 ** -7);
    expect(Array.from(given[0]!).some((sum, i) => sum !== Math.fround(exact[i]!))).toBe(true);
  });
});

describe('ranks', () => {
  it.each([3, 100])('gather what is of different lengths, %i bytes at a time', async (round) => {
    const own = (rank: number) => Uint8Array.from({ length: [4, 0, 9][rank]! }, (_, i) => 10 * rank + i);
    const found = await Promise.all(pretendedTransports(3).map((one) => ranksOver(one, round).gather(own(one.rank))));
    for (const all of found) expect(all).toEqual([own(0), own(1), own(2)]);
  });

  it('take what the first makes: doubles to the bit, undefined as it is', async () => {
    const found = await onRanks(3, async (ranks) => [
      await ranks.fromFirst(() => ({ third: 1 / 3 })),
      await ranks.fromFirst(() => undefined),
      await ranks.numbers(ranks.rank, 1 / 3),
    ]);
    for (const one of found) expect(one).toEqual([{ third: 1 / 3 }, undefined, [0, 1, 2].map((rank) => [rank, 1 / 3])]);
  });

  it('fail alike where the first fails', async () => {
    const failures = await onRanks(2, (ranks) =>
      ranks
        .fromFirst(() => Promise.reject(usageError('It is full.')))
        .catch(({ message, exitCode }) => [message, exitCode]),
    );
    expect(failures).toEqual([
      ['It is full.', 2],
      ['It is full.', 2],
    ]);
  });
});

describe('waiting', () => {
  it('lets timers through, looks now and then, and ends by what the look throws', async () => {
    const timer = new Promise((done) => setTimeout(() => done('came'), 5));
    let isDone = false;
    timer.then(() => {
      isDone = true;
    });
    await waiting(() => isDone);
    expect(await timer).toBe('came');
    let looks = 0;
    const look = () => {
      if (++looks === 2) throw new Error('a rank is gone');
    };
    await expect(waiting(() => false, look)).rejects.toThrow('a rank is gone');
  });
});
