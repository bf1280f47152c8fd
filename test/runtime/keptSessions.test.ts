import { describe, expect, it } from 'vitest';
import { input, ops } from '../../src/graph/index.js';
import { keepingSessions, openKeptSession } from '../../src/runtime/keptSessions.js';
import { openTogether } from '../../src/runtime/release.js';
import { floats } from '../graph/evaluate.js';
import { countSessions } from '../library/sessions.js';

const counts = countSessions();
const x = input('x', 'float32', [2]);
const openDouble = (threads = 1) => openKeptSession({ double: ops.add(x, x) }, { threads });

describe('kept sessions', () => {
  it('are compiled once in a work however often they are opened, and freed at its end', async () => {
    const before = counts.opened;
    await keepingSessions(async () => {
      for (const value of [1, 2, 3]) {
        const session = await openDouble();
        const { double } = await session.run({ x: floats([2], [value, 0]) });
        expect(double).toEqual(floats([2], [2 * value, 0]));
        await session.release();
      }
      const others = [await openDouble(2), await openKeptSession({ square: ops.mul(x, x) }, { threads: 1 })];
      for (const session of others) await session.release();
      expect(counts.open).toBe(3);
    });
    expect([counts.opened - before, counts.open]).toEqual([3, 0]);
  });

  it('are two where both are in use, and none of another work that goes on beside', async () => {
    const before = counts.opened;
    const work = () =>
      keepingSessions(async () => {
        const both = [await openDouble(), await openDouble()];
        for (const session of both) await session.release();
      });
    await Promise.all([work(), work()]);
    expect([counts.opened - before, counts.open]).toEqual([4, 0]);
  });

  it('are ordinary ones outside of a work, and freed when a work fails', async () => {
    const session = await openDouble();
    await session.release();
    expect(counts.open).toBe(0);
    const failing = keepingSessions(async () => {
      await (await openDouble()).release();
      throw new Error('stopped');
    });
    await expect(failing).rejects.toThrow('stopped');
    expect(counts.open).toBe(0);
  });
});

describe('openTogether', () => {
  it('releases what is open where a later one cannot be opened', async () => {
    const opening = openTogether(async (keep) => {
      await keep(openDouble());
      await keep(openDouble(2));
      await keep(Promise.reject(new Error('no memory')));
    });
    await expect(opening).rejects.toThrow('no memory');
    expect(counts.open).toBe(0);
  });
});
