import { setTimeout } from 'node:timers/promises';

/**
 * Waits until something is so, however long it takes. Where the work that is to bring it about ends before, that is an
 * error, which tells what the work ended with.
 */
export async function until(isSo: () => boolean | Promise<boolean>, work?: Promise<unknown>): Promise<void> {
  let end: string | undefined;
  const ended = (outcome: unknown) => {
    end = outcome instanceof Error ? String(outcome.stack) : JSON.stringify(outcome);
  };
  work?.then(ended, ended);
  for (;;) {
    const before = end;
    if (await isSo()) return;
    if (before !== undefined) throw new Error(`what was waited for did not come: ${before}`);
    await setTimeout(10);
  }
}
