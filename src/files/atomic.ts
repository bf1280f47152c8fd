import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { lstat, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DiffoError } from '../errors.js';
import { errorCode, fileError } from './errors.js';

/**
 * A name beside `path` that nothing takes for a finished file or folder: hidden, with `.partial-` in it. In the same
 * folder, since a rename is atomic only within one file system.
 */
export function partialName(path: string): string {
  const full = resolve(path);
  return join(dirname(full), `${partialPrefix(full)}${randomBytes(4).toString('hex')}`);
}

function partialPrefix(path: string): string {
  return `.${basename(path)}.partial-${process.pid}-`;
}

/** True for a temporary name of `path`, of any process. */
export function isPartialOf(path: string, name: string): boolean {
  return name.startsWith(`.${basename(resolve(path))}.partial-`);
}

/** Removes what any process has left unfinished of `path`. Only for a caller that alone writes there. */
export async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  const names: string[] = await readdir(folder).catch(() => []);
  const left = names.filter((name) => isPartialOf(path, name));
  for (const name of left) await rm(join(folder, name), { recursive: true, force: true });
}

/**
 * Deletes a folder, if it is there, in one step for whoever reads it: an interruption leaves no half of it under its name,
 * only a temporary name of `hiddenAs` for {@link removeAbandoned}.
 *
 * @throws DiffoError where the file system refuses
 */
export async function removeAtOnce(path: string, hiddenAs = path): Promise<void> {
  const gone = partialName(hiddenAs);
  try {
    await rename(path, gone);
    await rm(gone, { recursive: true, force: true });
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileError(error, path, 'delete');
  }
}

/** Removes at once what this process has written of `path` so far, for a process that may not wait to be cleaned up. */
export function removePartialsNow(path: string): void {
  const full = resolve(path);
  const folder = dirname(full);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter((one) => one.startsWith(partialPrefix(full)))) {
    rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Writes a file through `fill` so that `path` holds either its old content or all of the new one: a temporary name in
 * the same folder, fsync, rename. The temporary file is removed on any error.
 *
 * @throws DiffoError where the file system refuses (full disk, permissions, …); whatever `fill` throws otherwise
 */
export async function writeAtomic(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  const partial = partialName(path);
  try {
    const file = await open(partial, 'wx');
    try {
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw fileError(error, path, 'write');
  }
}

/** Writes text (UTF-8) or bytes to `path`, all or nothing; see {@link writeAtomic}. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await writeAtomic(path, (file) => file.writeFile(data));
}

/** Tells before long work whether its result may be written to `path`. @throws DiffoError when it may not */
export function checkOutputFile(path: string, { overwrite }: { readonly overwrite: boolean }): void {
  if (!overwrite && existsSync(path)) {
    throw new DiffoError(`${path} exists already. Choose another path, or replace it with --overwrite.`);
  }
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) throw new DiffoError(`There is no folder ${folder} to write into. Make it first.`);
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new DiffoError(`${path} is a folder, and a file of that name is to be written. Choose another path.`);
  }
  checkWritable(folder);
}

/** Tells before long work whether files can be made in a folder. @throws DiffoError when they cannot */
export function checkWritable(folder: string): void {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw fileError(error, folder, 'write to');
  }
}

/** Writes all of `bytes` at the file's position: a single `write` may take fewer, as on a disk that is almost full. */
export async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done);
    done += bytesWritten;
  }
}

export interface OutputFolderOptions {
  /**
   * What to do when the folder exists and is not empty: `refuse` (default) throws before `fill` is called; `replace`
   * moves the old one away only once the new one is complete.
   */
  readonly existing?: 'refuse' | 'replace';
}

/**
 * Builds a folder under a temporary name beside `path` and renames it into place at the end, so that a crash, a full
 * disk or Ctrl-C never leaves something that looks finished. Parent folders are made.
 *
 * @param fill writes the content into the folder it is given; when it throws, that folder is removed and the error
 *   passed on
 * @throws DiffoError when `path` exists and may not be replaced, or the file system refuses
 */
export async function withOutputFolder<T>(
  path: string,
  fill: (folder: string) => Promise<T>,
  options: OutputFolderOptions = {},
): Promise<T> {
  const target = resolve(path);
  const replace = options.existing === 'replace';
  await refuseExisting(target, replace);
  const partial = partialName(target);
  try {
    await makeFolders(partial);
  } catch (error) {
    throw fileError(error, target, 'make the folder');
  }
  try {
    const result = await fill(partial);
    await syncFolder(partial);
    await moveIntoPlace(partial, target, replace);
    await syncFolder(dirname(target));
    return result;
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw withFinalName(fileError(error, target, 'write the folder'), partial, target);
  }
}

/** Flushes the names in a folder to the disk: a file's own fsync does not keep its name. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders, and some network file systems flush none; names are then as durable as the system has them.
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** `mkdir -p`. Node 20's own `recursive` never returns where the file system answers ENOENT, as /proc does. */
export async function makeFolders(path: string): Promise<void> {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) await makeFolders(parent);
  await mkdir(path).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}

/** The user knows the folder's final name only. */
function withFinalName(error: Error, partial: string, target: string): Error {
  if (!(error instanceof DiffoError) || !error.message.includes(partial)) return error;
  return new DiffoError(error.message.replaceAll(partial, target), { exitCode: error.exitCode, cause: error });
}

/** Throws where `target` cannot become a new folder; an empty folder is no obstacle. */
async function refuseExisting(target: string, replace: boolean): Promise<void> {
  try {
    const found = await stat(target);
    if (!found.isDirectory()) {
      throw new DiffoError(`${target} is a file, and a folder of that name is to be written. Choose another path.`);
    }
    // What could not be moved into its place at the end is to be known now.
    if (found.dev !== (await stat(dirname(target))).dev) {
      throw new DiffoError(
        `${target} is a disk of its own, and nothing can be put into its place. Choose a folder on it.`,
      );
    }
    if (!replace && (await lstat(target)).isSymbolicLink()) {
      throw new DiffoError(`${target} is a link, and nothing can be put into its place. Give the folder it points to.`);
    }
    if (!replace && (await readdir(target)).length > 0) {
      throw new DiffoError(
        `${target} exists already and is not empty. Choose another path, or replace it with --overwrite.`,
      );
    }
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileError(error, target, 'write the folder');
  }
}

async function moveIntoPlace(partial: string, target: string, replace: boolean): Promise<void> {
  if (!replace) {
    // Not every platform renames onto an empty folder; a folder that has been filled meanwhile makes this throw.
    await rmdir(target).catch((error) => {
      if (errorCode(error) !== 'ENOENT') throw error;
    });
    await rename(partial, target);
    return;
  }
  const old = partialName(target);
  const had = await rename(target, old).then(
    () => true,
    (error) => {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(partial, target);
  } catch (error) {
    if (had) await rename(old, target);
    throw error;
  }
  if (had) await rm(old, { recursive: true, force: true });
}
