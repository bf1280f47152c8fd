import { expect, it } from 'vitest';
import { mapInTurns } from '../src/turns.js';

/** Keeps the processor for so many milliseconds. */
function busy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

it('maps in order', async () => {
  expect(await mapInTurns([3, 1, 2], (item, index) => [item, index])).toEqual([
    [3, 0],
    [1, 1],
    [2, 2],
  ]);
});

it('stops soon after an abort that comes from a timer', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('stopped')), 1);
  let mapped = 0;
  const work = mapInTurns(
    Array.from({ length: 1000 }),
    () => {
      busy(5);
      mapped++;
    },
    controller.signal,
  );
  await expect(work).rejects.toThrow('stopped');
  expect(mapped).toBeLessThan(20);
});

it('maps nothing under a signal that is aborted already', async () => {
  let mapped = 0;
  const work = mapInTurns([1], () => mapped++, AbortSignal.abort(new Error('stopped')));
  await expect(work).rejects.toThrow('stopped');
  expect(mapped).toBe(0);
});
