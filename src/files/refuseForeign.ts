import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { DiffoError } from '../errors.js';
import { fileError } from './errors.js';

/**
 * Guards against `--overwrite` on the wrong folder, which would be deleted with all that is in it.
 *
 * @param markers files of which an output of the same kind has one
 * @throws DiffoError when the folder exists, is not empty, and lacks the marker or holds the current folder
 */
export async function refuseForeign(folder: string, ...markers: readonly string[]): Promise<void> {
  const target = resolve(folder);
  const isThere = await stat(target).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isThere) return;
  const entries = await readdir(target).catch((error) => Promise.reject(fileError(error, target, 'read')));
  if (entries.length === 0) return;
  if (!markers.some((marker) => existsSync(join(target, marker)))) {
    throw new DiffoError(
      `${target} has no ${markers.join(' or ')}, so it was not written by this command and is not overwritten. Choose another path.`,
    );
  }
  if (!relative(target, process.cwd()).startsWith('..')) {
    throw new DiffoError(`${target} is the current folder or holds it, and is not overwritten. Choose another path.`);
  }
}
