import { expect, it, vi } from 'vitest';
import { mapInTurns } from '../src/turns.js';

it('maps in order', async () => {
  expect(await mapInTurns([3, 1, 2], (item, index) => [item, index])).toEqual([
    [3, 0],
    [1, 1],
    [2, 2],
  ]);
});

it('lets an abort through once 20 milliseconds of work are done', async () => {
  let clock = 0;
  const now = vi.spyOn(performance, 'now').mockImplementation(() => clock);
  const controller = new AbortController();
  setImmediate(() => controller.abort(new Error('stopped')));
  let mapped = 0;
  const work = mapInTurns(
    Array.from({ length: 1000 }),
    () => {
      clock += 5;
      mapped++;
    },
    controller.signal,
  );
  await expect(work).rejects.toThrow('stopped');
  now.mockRestore();
  expect(mapped).toBe(5);
});

it('maps nothing under a signal that is aborted already', async () => {
  let mapped = 0;
  const work = mapInTurns([1], () => mapped++, AbortSignal.abort(new Error('stopped')));
  await expect(work).rejects.toThrow('stopped');
  expect(mapped).toBe(0);
});
