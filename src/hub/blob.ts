import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, lstat, open, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { downloadFile } from '@huggingface/hub';
import { DiffoError } from '../errors.js';
import { makeFolders, partialName, writeFully } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { inTurn } from '../files/lock.js';
import { type Repository, refuseOutside } from './cache.js';
import { understood } from './errors.js';
import { type HubAccess, HubUnreachable, networkReason } from './fetch.js';

/** A file on the hub, as its API describes it. */
export interface HubFile {
  readonly repo: Repository;
  readonly commit: string;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of a large file, git's SHA-1 of a small one; also the name of its blob in the cache. */
  readonly hash: string;
}

export interface BlobOptions {
  readonly access: HubAccess;
  /** Milliseconds without data after which the connection counts as broken. */
  readonly stall: number;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((received: number) => void) | undefined;
}

/** Times that a broken connection is taken up again while bytes keep coming. */
const mostResumes = 20;

/**
 * Downloads a file into `blobs/<hash>`, unless it is there. It has that name only when size and hash are right. What a
 * broken or stopped download has got is kept as `<hash>.diffora-part` and taken up by the next one, which claims it by
 * renaming, so that two processes never write to one file. (Python's own `.incomplete` files are left alone.) Of several
 * processes of a machine one fetches, and the others wait for it.
 *
 * @returns path of the blob
 * @throws HubUnreachable when the connection breaks for good; DiffoError when the content is wrong or cannot be written
 */
export async function storeBlob(file: HubFile, folder: string, options: BlobOptions): Promise<string> {
  const blob = join(folder, file.hash);
  const isThere = async () => (await stat(blob).catch(() => undefined))?.size === file.size;
  if (await isThere()) return blob;
  return inTurn(blob, async () => ((await isThere()) ? blob : fetchBlob(file, blob, options)), options.signal);
}

async function fetchBlob(file: HubFile, blob: string, options: BlobOptions): Promise<string> {
  const partial = partialName(blob);
  const kept = `${blob}.diffora-part`;
  try {
    await rename(kept, partial).catch(() => undefined);
    let { whole, resumed } = await download(file, partial, options);
    if (!whole && resumed) {
      // A server that does not know ranges, or a part that was damaged: once more from the beginning.
      await rm(partial, { force: true });
      ({ whole, resumed } = await download(file, partial, options));
    }
    if (!whole) {
      throw new DiffoError(
        `${file.path} of ${file.repo.name} arrived damaged: its checksum is not the one ${options.access.hubUrl} gives. Try again.`,
      );
    }
    await rename(partial, blob);
    return blob;
  } catch (error) {
    const isOurs = error instanceof DiffoError && !(error instanceof HubUnreachable);
    await (isOurs ? rm(partial, { force: true }) : rename(partial, kept)).catch(() => undefined);
    throw fileError(error, blob, 'write');
  }
}

/**
 * Fills `path` up to the file's size, going on from what is in it.
 * @returns whether the content is what its hash says, and whether it came in more than one piece
 */
async function download(file: HubFile, path: string, options: BlobOptions) {
  const { signal } = options;
  for (let resumes = 0; ; resumes++) {
    const before = await sizeOf(path);
    try {
      const whole = await receive(file, path, Math.min(before, file.size), options);
      return { whole, resumed: before > 0 };
    } catch (error) {
      signal?.throwIfAborted();
      const goesOn = error instanceof HubUnreachable && (await sizeOf(path)) > before && resumes < mostResumes;
      if (!goesOn) throw error;
    }
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

async function receive(
  file: HubFile,
  path: string,
  from: number,
  { access, stall, signal, onBytes }: BlobOptions,
): Promise<boolean> {
  const { repo, commit, path: name } = file;
  // Plain HTTP instead of Xet: one stream, whose deadlines and cancelling are ours; the hash is checked either way.
  const ask = () => downloadFile({ ...access, repo, path: name, revision: commit, xet: false });
  const blob = await understood(access, ask);
  if (!blob) throw new HubUnreachable(access.hubUrl, `it lists ${name} of ${repo.name} and does not have it`);
  const hash = startHash(file);
  if (from > 0) for await (const chunk of createReadStream(path, { end: from - 1 })) hash.update(chunk as Uint8Array);
  const target = await open(path, 'a');
  let received = from;
  try {
    await target.truncate(from);
    onBytes?.(received);
    for await (const chunk of pieces(from === 0 ? blob : blob.slice(from), access.hubUrl, stall, signal)) {
      hash.update(chunk);
      await writeFully(target, chunk);
      received += chunk.byteLength;
      onBytes?.(Math.min(received, file.size));
      if (received > file.size) return false;
    }
    await target.sync();
  } finally {
    await target.close();
  }
  if (received !== file.size) {
    throw new HubUnreachable(access.hubUrl, `${name} broke off after ${received} of ${file.size} bytes`);
  }
  return hash.digest('hex') === file.hash;
}

/** A 40-digit hash is git's: SHA-1 over a header with the size, then the content. */
function startHash(file: HubFile): Hash {
  return file.hash.length === 40 ? createHash('sha1').update(`blob ${file.size}\0`) : createHash('sha256');
}

/** The pieces of a download; silence for `stall` milliseconds and broken connections become HubUnreachable. */
async function* pieces(
  blob: Blob,
  hubUrl: string,
  stall: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await withDeadline(reader.read(), stall, hubUrl);
      if (done) return;
      yield value;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof DiffoError ? error : new HubUnreachable(hubUrl, networkReason(error), error);
  } finally {
    // Without waiting: a connection that hangs would not answer to this either.
    void reader.cancel().catch(() => undefined);
  }
}

async function withDeadline<T>(promise: Promise<T>, limit: number, hubUrl: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new HubUnreachable(hubUrl, `a download stood still for ${limit / 1000} seconds`));
    }, limit);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Makes the snapshot's relative link to a blob, or a copy where the file system has no links. */
export async function linkSnapshot(blob: string, pointer: string): Promise<void> {
  try {
    await makeFolders(dirname(pointer));
    await refuseOutside(dirname(dirname(blob)), dirname(pointer));
    if (await stat(pointer).catch(() => undefined)) return;
    if (await lstat(pointer).catch(() => undefined)) await rm(pointer);
    await symlink(relative(dirname(pointer), blob), pointer).catch(() => copyFile(blob, pointer));
  } catch (error) {
    throw fileError(error, pointer, 'write');
  }
}
