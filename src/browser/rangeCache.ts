import { isJsonObject } from '../files/jsonText.js';
import { type Folder, tab } from './tab.js';

/** Ranges of one file of the network, kept in the origin private file system: they outlive the tab. */
export interface RangeCache {
  /** Size and version of the file as they were kept; undefined where nothing is kept. */
  facts(): Promise<FileFacts | undefined>;
  /** Keeps these facts, and forgets ranges of another version. */
  keepFacts(facts: FileFacts): Promise<void>;
  /** The bytes of a range, if they are kept. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** What tells a version of a file from another. */
export interface FileFacts {
  readonly size: number;
  /** ETag or date, as the server says; empty where it says neither. */
  readonly version: string;
}

const rootName = 'diffora';
const factsName = 'facts.json';

/**
 * The cache of a URL.
 * @param onFault told once, where the browser refuses to keep anything: everything is read from the network then
 */
export async function rangeCache(url: string, onFault: (reason: string) => void): Promise<RangeCache | undefined> {
  const name = [...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url)))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
  let root: Folder;
  let folder: Folder;
  try {
    const storage = await tab.navigator?.storage?.getDirectory?.();
    if (storage === undefined) return undefined;
    root = await storage.getDirectoryHandle(rootName, { create: true });
    folder = await root.getDirectoryHandle(name, { create: true });
  } catch (error) {
    onFault(String(error));
    return undefined;
  }
  let isFull = false;
  const readFile = async (file: string) => {
    try {
      return new Uint8Array(await (await (await folder.getFileHandle(file)).getFile()).arrayBuffer());
    } catch {
      return undefined;
    }
  };
  const writeFile = async (file: string, bytes: Uint8Array<ArrayBuffer>) => {
    if (isFull) return;
    try {
      const writable = await (await folder.getFileHandle(file, { create: true })).createWritable();
      // What is not closed is not there: a tab that ends here leaves no half file.
      await writable.write(bytes);
      await writable.close();
    } catch (error) {
      isFull = true;
      onFault(String(error));
    }
  };
  const facts = async () => {
    const bytes = await readFile(factsName);
    const said: unknown = bytes?.length ? JSON.parse(new TextDecoder().decode(bytes)) : undefined;
    return isJsonObject(said) && typeof said.size === 'number' && typeof said.version === 'string'
      ? { size: said.size, version: said.version }
      : undefined;
  };
  return {
    facts,
    async keepFacts({ size, version }) {
      const known = await facts();
      if (known?.size === size && known.version === version) return;
      await root.removeEntry(name, { recursive: true });
      folder = await root.getDirectoryHandle(name, { create: true });
      await writeFile(factsName, new TextEncoder().encode(JSON.stringify({ size, version })));
    },
    async read(offset, length) {
      const bytes = await readFile(`${offset}-${length}`);
      return bytes?.length === length ? bytes : undefined;
    },
    write: (offset, bytes) => writeFile(`${offset}-${bytes.length}`, bytes),
  };
}

/** Forgets every model that was kept for this origin. */
export async function clearCache(): Promise<void> {
  const storage = await tab.navigator?.storage?.getDirectory?.();
  await storage?.removeEntry(rootName, { recursive: true }).catch((error: unknown) => {
    if ((error as { readonly name?: string }).name !== 'NotFoundError') throw error;
  });
}
