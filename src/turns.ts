/** Work that never waits gives way after so many milliseconds: short for whoever aborts, long beside a turn's cost. */
const turnMilliseconds = 20;

/** Gives way to all else that waits. In a browser a timer does what Node's setImmediate does. */
export function turn(): Promise<void> {
  return new Promise((done) => {
    if (typeof setImmediate === 'function') setImmediate(done);
    else setTimeout(done);
  });
}

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
      await turn();
      signal?.throwIfAborted();
      started = performance.now();
    }
    results.push(map(item, index));
  }
  return results;
}
