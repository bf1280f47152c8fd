import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { DiffoError } from '../errors.js';

/** A repository of the hub. Its type stands in URLs and in the names of folders: `datasets--org--name`. */
export interface Repository {
  readonly type: 'model' | 'dataset';
  /** `org/name`, or `name` alone for the oldest. */
  readonly name: string;
}

const COMMIT = /^[0-9a-f]{40}$/;

export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** `models--org--name` below the cache. */
export function repositoryFolder(cache: string, { type, name }: Repository): string {
  return join(cache, `${type}s--${name.replaceAll('/', '--')}`);
}

/** File that holds the commit of a revision. (`refs/convert/parquet` is in `refs/refs/convert/parquet`, as in Python.) */
export function refFile(repository: string, revision: string): string {
  return join(repository, 'refs', ...revision.split('/'));
}

/** File whose being there says that the commit has no such file: Python's mark too. */
export function absenceMark(repository: string, commit: string, path: string): string {
  return join(repository, '.no_exist', commit, ...path.split('/'));
}

/** The commit that the cache has for a revision, which may be a commit itself. */
export async function cachedCommit(repository: string, revision: string): Promise<string | undefined> {
  if (isCommit(revision)) return revision;
  const commit = (await readFile(refFile(repository, revision), 'utf8').catch(() => '')).trim();
  return isCommit(commit) ? commit : undefined;
}

/** True for a path that does not lead out of the folder it is put to. */
export function staysInside(path: string): boolean {
  return path !== '' && !/^\/|^[a-z]:|\\|\0|(^|\/)\.{1,2}(\/|$)/i.test(path);
}

/** @throws DiffoError where the path, links followed, is not in the repository's folder; one that is not there is fine */
export async function refuseOutside(repository: string, path: string): Promise<void> {
  const [root, real] = await Promise.all([repository, path].map((one) => realpath(one).catch(() => undefined)));
  if (root === undefined || real === undefined || real === root || real.startsWith(root + sep)) return;
  throw new DiffoError(`${path} is a link to ${real}, out of its repository in the cache. Remove the link.`);
}

/**
 * Holds all links of a snapshot to its repository, whose blobs they lead to: others would have any file of the machine
 * read, copied beside an adapter, or given away with it.
 *
 * @throws DiffoError that names the first link that leads elsewhere
 */
export async function refuseStrayLinks(repository: string, folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isSymbolicLink()) await refuseOutside(repository, join(entry.parentPath ?? entry.path, entry.name));
  }
}

/** Names of the repositories of a type that the cache holds, for "did you mean". */
export async function cachedRepositories(cache: string, type: Repository['type']): Promise<string[]> {
  const folders = await readdir(cache).catch(() => []);
  const prefix = `${type}s--`;
  return folders
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length).replaceAll('--', '/'));
}

/** True for a file, links followed. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
