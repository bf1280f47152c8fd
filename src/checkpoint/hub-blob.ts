import { createHash, type Hash } from 'node:crypto';
import { copyFile, lstat, mkdir, open, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { downloadFile } from '@huggingface/hub';
import { DiffoError } from '../errors.js';
import { partialName, writeFully } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { type HubAccess, HubUnreachable, networkReason } from './hub-fetch.js';

/** A file of a model on the hub, as its API describes it. */
export interface HubFile {
  readonly repo: string;
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

/**
 * Downloads a file into `blobs/<hash>`, unless it is there. It has that name only when size and hash are right; a
 * partial file is removed.
 *
 * @returns path of the blob
 * @throws HubUnreachable when the connection breaks; DiffoError when the content is wrong or cannot be written
 */
export async function storeBlob(file: HubFile, folder: string, options: BlobOptions): Promise<string> {
  const blob = join(folder, file.hash);
  const partial = partialName(blob);
  try {
    if ((await stat(blob).catch(() => undefined))?.size === file.size) return blob;
    await mkdir(folder, { recursive: true });
    await download(file, partial, options);
    await rename(partial, blob);
    return blob;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw fileError(error, blob, 'write');
  }
}

async function download(file: HubFile, path: string, { access, stall, signal, onBytes }: BlobOptions): Promise<void> {
  const { repo, commit, path: name } = file;
  // Plain HTTP instead of Xet: one stream, whose deadlines and cancelling are ours; the hash is checked either way.
  const blob = await downloadFile({ ...access, repo, path: name, revision: commit, xet: false });
  if (!blob) throw new HubUnreachable(access.hubUrl, `it lists ${name} of ${repo} and does not have it`);
  const hash = startHash(file);
  const target = await open(path, 'wx');
  let received = 0;
  try {
    for await (const chunk of pieces(blob, access.hubUrl, stall, signal)) {
      hash.update(chunk);
      await writeFully(target, chunk);
      received += chunk.byteLength;
      onBytes?.(received);
    }
    await target.sync();
  } finally {
    await target.close();
  }
  if (received !== file.size) {
    throw new HubUnreachable(access.hubUrl, `${name} broke off after ${received} of ${file.size} bytes`);
  }
  if (hash.digest('hex') !== file.hash) {
    throw new DiffoError(
      `${name} of ${repo} arrived damaged: its checksum is not the one ${access.hubUrl} gives. Try again.`,
    );
  }
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
    await mkdir(dirname(pointer), { recursive: true });
    if (await stat(pointer).catch(() => undefined)) return;
    if (await lstat(pointer).catch(() => undefined)) await rm(pointer);
    await symlink(relative(dirname(pointer), blob), pointer).catch(() => copyFile(blob, pointer));
  } catch (error) {
    throw fileError(error, pointer, 'write');
  }
}
