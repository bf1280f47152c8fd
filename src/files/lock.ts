import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as z from 'zod';
import { DiffoError } from '../errors.js';
import { makeFolders } from './atomic.js';
import { errorCode, fileError } from './errors.js';

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** Boot and start of the process, where the system tells: a pid is given out again. */
  started: z.string().optional(),
});
type Holder = z.infer<typeof holderSchema>;

/** Where the lock of a file or folder is: beside it, hidden, so that the folder itself may be replaced. */
export function lockPath(path: string): string {
  const full = resolve(path);
  return join(dirname(full), `.${basename(full)}.lock`);
}

/** The locks that this process has now. One listener serves all: Node warns of more than ten. */
const held = new Set<string>();

/** A second Ctrl-C ends the process at once. */
function removeHeld(): void {
  for (const lock of held) rmSync(lock, { force: true });
}

/**
 * Does work while this process alone writes to `path`. The lock is a file that names its holder; it is made complete under
 * another name and linked into place, which fails where there is one. The lock of a process that has died does not count.
 *
 * @throws DiffoError that names the process that holds it
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = lockPath(path);
  try {
    await makeFolders(dirname(lock));
  } catch (error) {
    throw fileError(error, resolve(path), 'make the folder');
  }
  await acquire(lock, path);
  if (held.size === 0) process.on('exit', removeHeld);
  held.add(lock);
  try {
    await removeLitter(lock);
    return await work();
  } finally {
    held.delete(lock);
    if (held.size === 0) process.off('exit', removeHeld);
    await rm(lock, { force: true });
  }
}

/** Somebody else writes to it now. */
class HeldError extends DiffoError {
  constructor(
    message: string,
    readonly isHere: boolean,
  ) {
    super(message);
  }
}

/** Milliseconds between two looks for whether a lock is free. */
const betweenLooks = 100;

/**
 * As {@link withLock}, and waits while another process of this machine has the lock, or this one. One of another machine is not
 * waited for, since nobody can tell whether it lives: the work is then done without the lock.
 */
export async function inTurn<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    let isOurs = false;
    try {
      return await withLock(path, () => {
        isOurs = true;
        return work();
      });
    } catch (error) {
      if (isOurs || !(error instanceof HeldError)) throw error;
      if (!error.isHere) return work();
    }
    await setTimeout(betweenLooks, undefined, signal === undefined ? {} : { signal });
  }
}

/** Puts a lock in place. @param path what the lock is for, in messages */
async function acquire(lock: string, path: string): Promise<void> {
  const claim = `${lock}.${process.pid}-${randomBytes(4).toString('hex')}`;
  const own = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    started: startOf(process.pid),
    token: randomBytes(8).toString('hex'),
  });
  try {
    for (;;) {
      await writeFile(claim, own);
      if (await claimed(claim, lock, own)) return;
      const text = await readLock(lock);
      if (text === undefined) continue;
      refuseLiving(text, lock, path);
      if (await takenOver(claim, lock, text, path)) return;
    }
  } catch (error) {
    throw fileError(error, resolve(path), 'lock');
  } finally {
    // Where it could not be made it cannot be taken away, and that is the error to be told.
    await rm(claim, { force: true }).catch(() => undefined);
  }
}

/** Puts the claim into the place of the lock. @returns false where there is a lock */
async function claimed(claim: string, lock: string, own: string): Promise<boolean> {
  try {
    await link(claim, lock);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    // File systems without hard links: the lock is there, if for an instant without its content.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error) ?? '')) throw error;
  }
  return writeFile(lock, own, { flag: 'wx' }).then(
    () => true,
    (error) => {
      if (errorCode(error) === 'EEXIST') return false;
      throw error;
    },
  );
}

/**
 * Replaces the lock of a dead process. Several may find it dead, so whoever replaces it holds a lock for that one lock,
 * named after its text, which is never used again; under it nobody else can have changed the file.
 * @returns false where another was faster
 */
async function takenOver(claim: string, lock: string, dead: string, path: string): Promise<boolean> {
  const takeover = `${lock}.${createHash('sha256').update(dead).digest('hex').slice(0, 12)}`;
  await acquire(takeover, path);
  try {
    if ((await readLock(lock)) !== dead) return false;
    await rename(claim, lock);
    return true;
  } finally {
    await rm(takeover, { force: true });
  }
}

/** What processes that were killed have left of claims. Only for the holder of the lock. */
async function removeLitter(lock: string): Promise<void> {
  const folder = dirname(lock);
  const names: string[] = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(`${basename(lock)}.`))) {
    const path = join(folder, name);
    const pid = /\.(\d+)-[0-9a-f]{8}$/.exec(name)?.[1];
    const holder = parseHolder((await readLock(path).catch(() => undefined)) ?? '');
    const left = holder ?? (pid === undefined ? undefined : { pid: Number(pid), host: hostname() });
    if (left !== undefined && left.host === hostname() && !isAlive(left)) await rm(path, { force: true });
  }
}

async function readLock(lock: string): Promise<string | undefined> {
  return readFile(lock, 'utf8').catch((error) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}

function refuseLiving(text: string, lock: string, path: string): void {
  const holder = parseHolder(text);
  if (holder === undefined) {
    throw new DiffoError(`${lock} is no lock of diffora. If nothing writes to ${path}, delete that file.`);
  }
  if (holder.host !== hostname()) {
    throw new HeldError(
      `${path} is being written by process ${holder.pid} on ${holder.host}. If that process has ended, delete ${lock}.`,
      false,
    );
  }
  if (!isAlive(holder)) return;
  const who = holder.pid === process.pid ? 'this process' : `process ${holder.pid} on this machine (${holder.host})`;
  throw new HeldError(`${path} is being written by ${who}. Wait for it to end, or choose another folder.`, true);
}

function parseHolder(text: string): Holder | undefined {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Whether a process of this machine has not ended. @param of its number and, where it is known, what {@link startOf} said */
export function isAlive({ pid, started }: Pick<Holder, 'pid' | 'started'>): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // A process of another user cannot be signalled, but it is there.
    if (errorCode(error) !== 'EPERM') return false;
  }
  const now = startOf(pid);
  return started === undefined || now === undefined || now === started;
}

/** Boot id and start of a process in clock ticks since then; undefined where there is no /proc. */
export function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, field 2, may hold spaces and brackets; the start is field 22 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended, and its parent has only not looked yet.
    return fields[0] === 'Z' ? `${boot} ended` : `${boot} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** A process of this machine, told from others that get its number after it. */
export interface KnownProcess {
  readonly pid: number;
  readonly started?: string | undefined;
}

export function knownProcess(pid: number): KnownProcess {
  return { pid, started: startOf(pid) };
}

/** True while that process, and not another of its number, is there. */
export function isRunning({ pid, started }: KnownProcess): boolean {
  return isAlive({ pid, ...(started === undefined ? {} : { started }) });
}

/** Who writes to a path, as its lock says it. */
export interface LockState {
  /** `elsewhere`: a process of another machine holds it, of which nothing is known. */
  readonly state: 'free' | 'held' | 'left' | 'elsewhere';
  /** Of the process that holds it on this machine. */
  readonly pid?: number;
}

/** Looks at the lock of a file or folder without taking it. `left` is that of a process that has died. */
export async function lockState(path: string): Promise<LockState> {
  const holder = parseHolder((await readLock(lockPath(path)).catch(() => undefined)) ?? '');
  if (holder === undefined) return { state: 'free' };
  if (holder.host !== hostname()) return { state: 'elsewhere' };
  return isAlive(holder) ? { state: 'held', pid: holder.pid } : { state: 'left' };
}
