import { stat } from 'node:fs/promises';
import { DiffoError } from '../errors.js';

/** A folder that long work writes to again and again. */
export interface HeldFolder {
  /** @throws DiffoError when it is no longer there, or another one of its name is */
  check(): Promise<void>;
}

/** Remembers which folder it is, so that one that is removed under the work is not made again without what was in it. */
export async function holdFolder(path: string): Promise<HeldFolder> {
  const found = await identityOf(path);
  return {
    async check() {
      if (found !== undefined && (await identityOf(path)) === found) return;
      throw new DiffoError(`${path} was removed while it was written to, and what it held is lost. Start again.`);
    },
  };
}

/** Numbers of inodes are given out again, times of birth are not. */
async function identityOf(path: string): Promise<string | undefined> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino, birthtimeNs }) => `${dev} ${ino} ${birthtimeNs}`,
    () => undefined,
  );
}
