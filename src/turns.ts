import { setImmediate } from 'node:timers/promises';

/** Work that never waits gives way after so many milliseconds: short for whoever aborts, long beside a turn's cost. */
const turnMilliseconds = 20;

/**
 * `items.map(map)` in turns, so that timers, requests and an abort get through while it goes on.
 * @throws the reason of the signal once it is aborted
 */
export async function mapInTurns<T, R>(
  items: readonly T[],
  map: (item: T, index: number) => R,
  signal?: AbortSignal,
): Promise<R[]> {
  const results: R[] = [];
  signal?.throwIfAborted();
  let started = performance.now();
  for (const [index, item] of items.entries()) {
    if (performance.now() - started > turnMilliseconds) {
      await setImmediate();
      signal?.throwIfAborted();
      started = performance.now();
    }
    results.push(map(item, index));
  }
  return results;
}
