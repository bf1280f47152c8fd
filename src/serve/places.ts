/** A number of places that work takes one of while it goes on; who comes later waits, in order. */
export interface Places {
  /** @throws the signal's reason, where it is aborted before there was a place */
  take(signal: AbortSignal): Promise<() => void>;
}

export function places(count: number): Places {
  let free = count;
  const waiting: (() => void)[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  return {
    async take(signal) {
      signal.throwIfAborted();
      if (free > 0) free--;
      else {
        await new Promise<void>((resolve, reject) => {
          const leave = () => {
            waiting.splice(waiting.indexOf(come), 1);
            reject(signal.reason);
          };
          const come = () => {
            signal.removeEventListener('abort', leave);
            resolve();
          };
          waiting.push(come);
          signal.addEventListener('abort', leave, { once: true });
        });
      }
      return release;
    },
  };
}
