import type { ByteSource } from '../checkpoint/safetensorsHeader.js';
import { DiffoError } from '../errors.js';
import { type RangeCache, rangeCache } from './rangeCache.js';

/** The files of a model, wherever a browser finds them. */
export interface ModelFiles {
  /** Where they are, for messages. */
  readonly place: string;
  /** The text of a file; undefined where there is no such file. @throws DiffoError where it cannot be read */
  text(name: string): Promise<string | undefined>;
  /** A file to be read in part; undefined where there is no such file. @throws DiffoError where it cannot be read */
  source(name: string): Promise<ByteSource | undefined>;
}

/** A file with the name that it had on the user's disk: what a form or a drop gives. */
export interface NamedFile extends Blob {
  readonly name: string;
}

/** How files of the network are read. */
export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Ranges of weights that were read are kept. */
  readonly cache: boolean;
  readonly onNote: (sentence: string) => void;
  /** Told of bytes that came from the network. */
  readonly onBytes: (count: number) => void;
}

/** Files that the user chose. */
export function chosenFiles(given: Iterable<NamedFile>): ModelFiles {
  const files = new Map([...given].map((file) => [file.name, file]));
  const place = 'the chosen files';
  return {
    place,
    text: async (name) => files.get(name)?.text(),
    async source(name) {
      const file = files.get(name);
      if (file === undefined) return undefined;
      return {
        path: name,
        file: name,
        size: file.size,
        async read(bytes, position) {
          const part = new Uint8Array(await file.slice(position, position + bytes.length).arrayBuffer());
          bytes.set(part);
          return part.length;
        },
      };
    },
  };
}

/** Files below a URL, such as `https://huggingface.co/org/model/resolve/main/`. */
export function filesAt(url: string, options: FetchOptions): ModelFiles {
  const base = url.endsWith('/') ? url : `${url}/`;
  return {
    place: base,
    async text(name) {
      const response = await request(base + name, options);
      if (response === undefined) return undefined;
      const text = await response.text();
      options.onBytes(text.length);
      return text;
    },
    source: (name) => sourceAt(base + name, options),
  };
}

/** @returns undefined where there is no such file: 404, or a page in its place, which servers of applications send */
async function request(
  url: string,
  { signal, cache }: Pick<FetchOptions, 'signal' | 'cache'>,
  range?: string,
): Promise<Response | undefined> {
  let response: Response;
  try {
    response = await fetch(url, {
      signal: signal ?? null,
      // What is kept here need not be kept by the browser's own cache as well.
      ...(range === undefined
        ? {}
        : { headers: { range }, cache: cache ? ('no-store' as const) : ('default' as const) }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new DiffoError(
      `${url} cannot be fetched (${reasonOf(error)}). Check the connection, and that the server allows this page to read it (CORS).`,
      { cause: error },
    );
  }
  if (response.status === 404) return undefined;
  if (!response.ok) throw new DiffoError(`${url} cannot be fetched: the server answers ${response.status}.`);
  return response.headers.get('content-type')?.startsWith('text/html') ? undefined : response;
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function sourceAt(url: string, options: FetchOptions): Promise<ByteSource | undefined> {
  const said = (reason: string) =>
    options.onNote(`The browser keeps no more weights (${reason}); they will be fetched again next time.`);
  const cache = options.cache ? await rangeCache(url, said) : undefined;
  const first = await firstRange(url, options).catch(async (error: unknown) => {
    options.signal?.throwIfAborted();
    // Offline: what was kept is as good as it was.
    const facts = await cache?.facts();
    if (facts === undefined) throw error;
    options.onNote(`${url} cannot be reached, so that what was kept of it is used.`);
    return { facts, whole: undefined };
  });
  if (first === undefined) return undefined;
  const { facts, whole } = first;
  await cache?.keepFacts(facts);
  return {
    path: url,
    file: url,
    size: facts.size,
    async read(bytes, position) {
      const length = Math.min(bytes.length, facts.size - position);
      if (length <= 0) return 0;
      bytes.set(whole?.subarray(position, position + length) ?? (await range(url, position, length, cache, options)));
      return length;
    },
  };
}

/** Size and version of a file, of which a byte is asked for; all of it from a server that knows no ranges. */
async function firstRange(url: string, options: FetchOptions) {
  const response = await request(url, options, 'bytes=0-0');
  if (response === undefined) return undefined;
  const version = response.headers.get('etag') ?? response.headers.get('last-modified') ?? '';
  const size = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1]);
  if (response.status === 206 && size > 0) {
    await response.arrayBuffer();
    return { facts: { size, version }, whole: undefined };
  }
  options.onNote(`${url}: the server sends files as wholes, not in part, so that nothing of it is kept.`);
  const whole = new Uint8Array(await response.arrayBuffer());
  options.onBytes(whole.length);
  return { facts: { size: whole.length, version }, whole };
}

async function range(
  url: string,
  position: number,
  length: number,
  cache: RangeCache | undefined,
  options: FetchOptions,
): Promise<Uint8Array> {
  const kept = await cache?.read(position, length);
  if (kept !== undefined) return kept;
  const response = await request(url, options, `bytes=${position}-${position + length - 1}`);
  const bytes = new Uint8Array((await response?.arrayBuffer()) ?? new ArrayBuffer(0));
  if (bytes.length !== length) {
    throw new DiffoError(
      `${url}: ${bytes.length} bytes came where ${length} were asked for. Load the model again: the file has changed.`,
    );
  }
  options.onBytes(length);
  await cache?.write(position, bytes);
  return bytes;
}
