import { setImmediate } from 'node:timers/promises';

/** Does work after all that was given before it, and gives what it gives. */
export type OneAtATime = <T>(work: () => Promise<T>) => Promise<T>;

/** A line in which pieces of work wait for each other; between two of them requests and timers get through. */
export function oneAtATime(): OneAtATime {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(() => setImmediate()).then(work);
    last = result.catch(() => {});
    return result;
  };
}
