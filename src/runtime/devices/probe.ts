import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ComputeDevice } from './computeDevice.js';
import type { SelfTest } from './selfTest.js';

/** What became of a trial: figures, or why there are none. */
export type Probe = ({ readonly isThere: true } & SelfTest) | { readonly isThere: false; readonly reason: string };

const ending = extname(import.meta.url);
const workerFile = fileURLToPath(new URL(`./probeWorker${ending}`, import.meta.url));
/** From source, as the tests run it, the child needs the loader of TypeScript too. */
const loader = ending === '.ts' ? ['--import', 'tsx'] : [];
const patienceMs = 300_000;

/**
 * Tries a device in a process of its own: what a driver writes to stderr is nobody's message, and a driver that crashes
 * takes nothing with it.
 */
export function probe({ name, lacks }: ComputeDevice, threads: number): Promise<Probe> {
  const missing = lacks?.();
  if (missing !== undefined) return Promise.resolve({ isThere: false, reason: missing });
  return new Promise((resolve) => {
    const child = fork(workerFile, [name, String(threads)], {
      execArgv: loader,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      timeout: patienceMs,
    });
    let found: Probe | undefined;
    child.on('message', (message: Probe) => {
      found = message;
    });
    child.on('error', (error) => resolve({ isThere: false, reason: error.message }));
    child.on('close', (code, signal) =>
      resolve(found ?? { isThere: false, reason: `its driver ended the process (${signal ?? `code ${code}`})` }),
    );
  });
}
