/** What holds memory until it is released. */
export interface Releasable {
  release(): Promise<void>;
}

/**
 * Opens several in `work`, each through `keep`. Where `work` fails, those that are open by then are released.
 *
 * @example openTogether(async (keep) => ({ one: await keep(openOne()), other: await keep(openOther()) }))
 */
export async function openTogether<T>(
  work: (keep: <R extends Releasable>(opening: Promise<R>) => Promise<R>) => Promise<T>,
): Promise<T> {
  const opened: Releasable[] = [];
  try {
    return await work(async (opening) => {
      const one = await opening;
      opened.push(one);
      return one;
    });
  } catch (error) {
    await releaseAll(opened);
    throw error;
  }
}

/** Releases all, also where one of them fails. @throws the first failure */
export async function releaseAll(all: readonly Releasable[]): Promise<void> {
  const results = await Promise.allSettled(all.map((one) => one.release()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
