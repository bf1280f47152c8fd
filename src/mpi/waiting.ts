import { setImmediate, setTimeout } from 'node:timers/promises';

/** Milliseconds in which a test is made again at once: what ranks wait for in a step comes in that time. */
const atOnce = 0.3;
/** Milliseconds in which it is made again and again, signals and timers between. */
const busily = 20;

/**
 * Waits until a test of MPI says yes. MPI's own calls would hold the whole process, so that neither Ctrl-C nor a timer came
 * through; a test is short. Who waits long sleeps between, and leaves the cores to those who work.
 * @param look called now and then; what it throws ends the waiting
 */
export async function waiting(isDone: () => boolean, look: () => void = () => {}): Promise<void> {
  const started = performance.now();
  let looked = started;
  for (;;) {
    const until = performance.now() + atOnce;
    do if (isDone()) return;
    while (performance.now() < until);
    const now = performance.now();
    if (now - looked > 200) {
      looked = now;
      look();
    }
    if (now - started < busily) await setImmediate();
    else await setTimeout(1);
  }
}
