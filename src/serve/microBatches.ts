import { setTimeout } from 'node:timers/promises';
import type { OneAtATime } from '../oneAtATime.js';

/** Share of the time of a run for which the next waits for as many to come together as came before. */
const patience = 0.1;

/** Requests that come together, worked on together. */
export interface MicroBatches<In, Out> {
  /** @throws the signal's reason, where it is aborted before the work began */
  run(item: In, signal: AbortSignal): Promise<Out>;
}

export interface MicroBatchOptions<In, Out> {
  /** The line in which runs wait for each other. */
  readonly inTurn: OneAtATime;
  /** Items of one run. */
  readonly most: number;
  /** A result for each item, in order, that depends on that item alone. */
  readonly work: (items: readonly In[]) => Promise<readonly Out[]>;
  /** Is told of every run: how many items it had. */
  readonly onBatch?: ((items: number) => void) | undefined;
}

/**
 * Takes what waits when its turn comes, up to `most`, and works on it in one run; where that fails, on each item alone, so that
 * one that cannot be worked on fails by itself. Who asks alone never waits for company; after a run of several, the next waits
 * for a moment for as many.
 */
export function microBatches<In, Out>({
  inTurn,
  most,
  work,
  onBatch,
}: MicroBatchOptions<In, Out>): MicroBatches<In, Out> {
  interface Waiting {
    readonly item: In;
    readonly signal: AbortSignal;
    readonly resolve: (result: Out) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let isComing = false;
  let [lastCount, lastMilliseconds] = [0, 0];

  const together = async (taken: readonly Waiting[]) => {
    const started = performance.now();
    const results = await work(taken.map(({ item }) => item));
    [lastCount, lastMilliseconds] = [taken.length, performance.now() - started];
    onBatch?.(taken.length);
    for (const [i, { resolve }] of taken.entries()) resolve(results[i]!);
  };

  const take = async () => {
    isComing = false;
    const gone = waiting.filter(({ signal }) => signal.aborted);
    for (const { signal, reject } of gone) reject(signal.reason);
    const there = waiting.filter(({ signal }) => !signal.aborted);
    const taken = there.slice(0, most);
    waiting = there.slice(most);
    if (waiting.length > 0) come();
    if (taken.length === 0) return;
    try {
      await together(taken);
    } catch (error) {
      if (taken.length === 1) return taken[0]!.reject(error);
      for (const one of taken) await together([one]).catch(one.reject);
    }
  };

  const company = async () => {
    const wanted = Math.min(lastCount, most);
    const end = performance.now() + patience * lastMilliseconds;
    while (waiting.length < wanted && performance.now() < end) await setTimeout(1);
  };

  const come = () => {
    if (isComing) return;
    isComing = true;
    void company().then(() => inTurn(take));
  };

  return {
    run: (item, signal) =>
      new Promise<Out>((resolve, reject) => {
        waiting.push({ item, signal, resolve, reject });
        come();
      }),
  };
}
