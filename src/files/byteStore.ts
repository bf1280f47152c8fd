import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileError } from './errors.js';

/** Byte arrays by key, in memory, as long as all together take at most `limit` bytes: what comes later is not kept. */
export function memoryStore<Key>(limit: number) {
  const kept = new Map<Key, Uint8Array>();
  let size = 0;
  return {
    async get(key: Key): Promise<Uint8Array | undefined> {
      return kept.get(key);
    },
    async put(key: Key, bytes: Uint8Array): Promise<void> {
      if (kept.has(key) || size + bytes.length > limit) return;
      size += bytes.length;
      kept.set(key, bytes);
    },
    async release(): Promise<void> {
      kept.clear();
    },
  };
}

/**
 * The same in a file of the system's temporary folder. It has no name once it is open, so that nothing is left of it,
 * however the process ends.
 */
export function fileStore<Key>(limit: number, folder = tmpdir()) {
  const places = new Map<Key, { readonly offset: number; readonly length: number }>();
  let opening: Promise<FileHandle> | undefined;
  let size = 0;
  const failed = (action: string) => (error: unknown) => {
    throw fileError(error, `the temporary file in ${folder}`, action);
  };
  return {
    async get(key: Key): Promise<Uint8Array | undefined> {
      const place = places.get(key);
      if (place === undefined) return undefined;
      const bytes = new Uint8Array(place.length);
      const file = await opening!;
      for (let done = 0; done < bytes.length; ) {
        const read = await file.read(bytes, done, bytes.length - done, place.offset + done).catch(failed('read'));
        if (read.bytesRead === 0) throw new Error(`the temporary file in ${folder} is shorter than what was written`);
        done += read.bytesRead;
      }
      return bytes;
    },
    async put(key: Key, bytes: Uint8Array): Promise<void> {
      if (places.has(key) || size + bytes.length > limit) return;
      opening ??= openNameless(folder).catch(failed('write'));
      const file = await opening;
      const offset = size;
      size += bytes.length;
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file
          .write(bytes, done, bytes.length - done, offset + done)
          .catch(failed('write'));
        done += bytesWritten;
      }
      places.set(key, { offset, length: bytes.length });
    },
    async release(): Promise<void> {
      places.clear();
      await (await opening)?.close();
      opening = undefined;
    },
  };
}

async function openNameless(parent: string): Promise<FileHandle> {
  const folder = await mkdtemp(join(parent, 'diffora-'));
  try {
    return await open(join(folder, 'states'), 'wx+');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
