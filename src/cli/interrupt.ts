import { DiffoError, type ExitCode } from '../errors.js';
import { removePartialsNow } from '../files/atomic.js';

/** npm sends on to its child the signal that a terminal has already sent to both; that is no second Ctrl-C. */
const sameKeyMilliseconds = 500;

/** As shells have it: 128 and the number of the signal. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs work that Ctrl-C (SIGINT, SIGTERM) ends: the first aborts `signal`, so that the work cleans up after itself; a
 * second ends the process at once, unfinished output removed. In a process that another one started with a channel to it, as a board
 * does, the end of that one is a SIGTERM.
 *
 * @param output file or folder that the work is to write
 * @param kept what the user finds after Ctrl-C in the place of nothing; asked for when the work has ended
 * @param putAway takes a progress bar off the terminal
 * @throws DiffoError "Interrupted; nothing was written to …" with exit code 130 or 143 in the place of whatever the abort made the work throw
 */
export async function interruptible<T>(
  {
    output,
    kept,
    stderr,
    putAway,
  }: {
    output?: string | undefined;
    kept?: (() => string | undefined) | undefined;
    stderr: NodeJS.WritableStream;
    putAway: () => void;
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let first = 0;
  let exitCode: ExitCode = exitCodes.SIGINT;
  const stop = (name: keyof typeof exitCodes) => {
    if (!controller.signal.aborted) {
      first = performance.now();
      exitCode = exitCodes[name];
      controller.abort(new DiffoError('Interrupted.', { exitCode }));
      putAway();
      stderr.write('Stopping after this step; Ctrl-C again stops at once.\n');
    } else if (performance.now() - first > sameKeyMilliseconds) {
      if (output !== undefined) removePartialsNow(output);
      process.exit(exitCodes[name]);
    }
  };
  const orphaned = () => stop('SIGTERM');
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  if (process.connected) process.once('disconnect', orphaned);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    const nothing = output === undefined ? undefined : `nothing was written to ${output}`;
    const left = kept?.() ?? nothing;
    throw new DiffoError(`Interrupted${left === undefined ? '' : `; ${left}`}.`, { exitCode });
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    process.off('disconnect', orphaned);
  }
}
