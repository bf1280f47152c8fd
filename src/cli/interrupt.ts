import { DiffoError } from '../errors.js';
import { removePartialsNow } from '../files/atomic.js';

/** npm sends on to its child the signal that a terminal has already sent to both; that is no second Ctrl-C. */
const sameKeyMilliseconds = 500;

/**
 * Runs work that Ctrl-C (SIGINT, SIGTERM) ends: the first aborts `signal`, so that the work cleans up after itself; a
 * second ends the process at once, unfinished output removed.
 *
 * @param output file or folder that the work is to write
 * @param kept folder in which finished parts of the work stay
 * @param putAway takes a progress bar off the terminal
 * @throws DiffoError "Interrupted; nothing was written to …" in the place of whatever the abort made the work throw
 */
export async function interruptible<T>(
  {
    output,
    kept,
    stderr,
    putAway,
  }: {
    output?: string | undefined;
    kept?: string | undefined;
    stderr: NodeJS.WritableStream;
    putAway: () => void;
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let first = 0;
  const stop = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      const nothing = output === undefined ? '' : `; nothing was written to ${output}`;
      const what = kept === undefined ? nothing : `; what is finished stays in ${kept}, and the same command goes on`;
      controller.abort(new DiffoError(`Interrupted${what}.`));
      putAway();
      stderr.write('Stopping after this step; Ctrl-C again stops at once.\n');
    } else if (performance.now() - first > sameKeyMilliseconds) {
      if (output !== undefined) removePartialsNow(output);
      process.exit(1);
    }
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
