import { existsSync } from 'node:fs';
import { copyFile, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DiffoError } from '../errors.js';
import {
  checkWritable,
  isPartialOf,
  makeFolders,
  partialName,
  removeAbandoned,
  removeAtOnce,
  syncFolder,
  withOutputFolder,
} from '../files/atomic.js';
import { errorCode, fileError } from '../files/errors.js';
import { lockPath, withLock } from '../files/lock.js';
import { checkpointsOf } from './checkpoints/format.js';
import { savedSteps } from './checkpoints/read.js';
import { PROGRESS_FILE } from './progressFile.js';

/** What a run folder is made of, beside its checkpoints; run.json is put there last. */
const RUN_FILE = 'run.json';
const outputNames = [RUN_FILE, 'adapter', 'dam.json', 'metrics.jsonl', PROGRESS_FILE];

export interface RunOutputOptions {
  readonly overwrite?: boolean | undefined;
  /** Go on from the checkpoints that are there. */
  readonly resume?: boolean | undefined;
  /** Checkpoints are kept, so the folder is there while the run goes on. */
  readonly checkpoints: boolean;
}

/** The folder of a run while it goes on. */
export interface RunPlace {
  /** Folder of the checkpoints; undefined where none are kept. */
  readonly checkpoints: string | undefined;
  /** Folder of what is written while the run goes on: it stays with what the run leaves. */
  readonly going: string;
  /** Writes what a finished run leaves, whole or not at all. */
  finish<T>(fill: (folder: string) => Promise<T>): Promise<T>;
}

/** True for a run folder whose run has ended: it has its run.json and no checkpoints (which go when it is complete). */
export async function isComplete(output: string): Promise<boolean> {
  return (await hasFile(join(output, RUN_FILE))) && (await savedSteps(checkpointsOf(output))).length === 0;
}

/** Removes what a process that was killed after its run was complete has left: hidden names in the folder, the lock. */
export async function tidyComplete(output: string): Promise<void> {
  const target = resolve(output);
  const run = join(target, 'run');
  const left = (await readdir(target)).some((name) => isPartialOf(run, name));
  if (left || existsSync(lockPath(target))) await withLock(target, () => removeAbandoned(run));
}

/**
 * Makes a run folder, locked against other processes. Without checkpoints it is built under a hidden name beside
 * `output` and renamed at the end. With checkpoints `output` holds them while the run goes on, and its files are moved
 * there when all of them are written.
 */
export function withRunOutput<T>(
  output: string,
  { overwrite = false, resume = false, checkpoints }: RunOutputOptions,
  make: (place: RunPlace) => Promise<T>,
): Promise<T> {
  const target = resolve(output);
  return withLock(target, async () => {
    await removeAbandoned(target);
    if (!checkpoints) {
      if (!overwrite) await refuseUnfinished(output);
      const existing = overwrite ? 'replace' : 'refuse';
      // Whoever removes the parent folder while the run goes on does not lose what it has come to.
      const makeIn = (folder: string) =>
        make({ checkpoints: undefined, going: folder, finish: (fill) => makeFolders(folder).then(() => fill(folder)) });
      return withOutputFolder(output, makeIn, { existing });
    }
    const folder = checkpointsOf(target);
    if (!overwrite) await refuseOccupied(target, resume);
    else await removeAtOnce(folder, join(target, 'run'));
    try {
      await makeFolders(folder);
      await removeAbandoned(join(target, 'run'));
      for (const name of await readdir(folder)) {
        if (name.includes('.partial-')) await rm(join(folder, name), { recursive: true, force: true });
      }
    } catch (error) {
      throw fileError(error, target, 'make the folder');
    }
    for (const used of [target, folder]) checkWritable(used);
    const place: RunPlace = { checkpoints: folder, going: folder, finish: (fill) => finishIn(target, folder, fill) };
    return make(place).catch(async (error) => {
      // What ended before the first checkpoint leaves nothing; folders that are not empty stay.
      if ((await savedSteps(folder).catch(() => [0])).length === 0)
        await rm(join(folder, PROGRESS_FILE), { force: true });
      for (const made of [folder, target]) await rmdir(made).catch(() => undefined);
      throw error;
    });
  });
}

async function finishIn<T>(target: string, checkpoints: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const partial = partialName(join(target, 'run'));
  try {
    await makeFolders(partial);
    const result = await fill(partial);
    await keepProgress(join(checkpoints, PROGRESS_FILE), join(partial, PROGRESS_FILE));
    // Without a run.json the folder does not look finished, so nothing is lost if this is interrupted.
    for (const name of outputNames) await rm(join(target, name), { recursive: true, force: true });
    await syncFolder(target);
    const names = (await readdir(partial)).sort((a, b) => Number(a === RUN_FILE) - Number(b === RUN_FILE));
    for (const name of names) {
      if (name === RUN_FILE) await syncFolder(target);
      await rename(join(partial, name), join(target, name));
    }
    await syncFolder(target);
    await rmdir(partial);
    await removeAtOnce(checkpoints, join(target, 'run'));
    return result;
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw fileError(error, target, 'write the folder');
  }
}

/** A copy, so that a run which is killed now goes on with it. One that is not there is not missed. */
async function keepProgress(from: string, to: string): Promise<void> {
  if (await hasFile(from)) await copyFile(from, to);
}

async function refuseUnfinished(output: string): Promise<void> {
  if ((await savedSteps(checkpointsOf(output))).length > 0) throw unfinished(output);
}

function unfinished(output: string): DiffoError {
  return new DiffoError(
    `${output} holds an unfinished run. Go on with it by --resume, or start again from the beginning with --overwrite.`,
  );
}

/** @throws DiffoError where `target` is no folder that a run may be begun or gone on with in */
async function refuseOccupied(target: string, resume: boolean): Promise<void> {
  const names = await readdir(target).catch((error): string[] => {
    if (errorCode(error) === 'ENOENT') return [];
    throw fileError(error, target, 'write the folder');
  });
  if (!resume) await refuseUnfinished(target);
  if (names.includes(RUN_FILE) && (await isComplete(target))) {
    throw new DiffoError(
      resume
        ? `${target} is complete; there is nothing to resume.`
        : `${target} exists already and is not empty. Choose another path, or replace it with --overwrite.`,
    );
  }
  const foreign = names.filter((name) => name !== 'checkpoints' && !isPartialOf(join(target, 'run'), name));
  if (foreign.length > 0 && !names.includes('checkpoints')) {
    throw new DiffoError(
      `${target} exists already and is not empty. Choose another path, or replace it with --overwrite.`,
    );
  }
}

function hasFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
