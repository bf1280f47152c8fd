import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffoError, usageError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { listenError } from '../serve/serve.js';
import { newToken } from './access.js';
import { boardServer } from './boardServer.js';
import { Jobs } from './jobs.js';
import { comingRuns, withJob } from './jobViews.js';
import { Library } from './library.js';
import { builtPage, readPage } from './pageFiles.js';
import type { Root } from './roots.js';
import { EventStreams } from './streams.js';
import { TryModels } from './tryModels.js';

/** What a board shows, and what it may do. */
export interface BoardOptions {
  /** Folders of runs and comparisons, and of data; all that is shown lies in them. */
  readonly folders: readonly string[];
  /** 0: any that is free. */
  readonly port?: number | undefined;
  /** Nothing is started, stopped or written. */
  readonly isReadOnly?: boolean | undefined;
  /** Runs of the board that go on at a time; the others wait. Default 1. */
  readonly jobs?: number | undefined;
  /** Folder of the built page. */
  readonly page?: string | undefined;
}

/** A board that listens. */
export interface RunningBoard extends AsyncDisposable {
  /** The link to open: it holds the token. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  /** Ends it; runs that were started go on. */
  close(): Promise<void>;
}

const host = '127.0.0.1';

/** Where the board remembers the runs that it starts. */
const jobsFolder = '.diffora-board';

/**
 * Opens a local page that shows the runs and comparisons under some folders while they go on. It listens on loopback alone,
 * and answers only who has the token of its link.
 * @throws DiffoError where a folder is not there, or the port is in use
 */
export async function openBoard({
  folders,
  port = 0,
  isReadOnly = false,
  jobs: most = 1,
  page = builtPage,
}: BoardOptions): Promise<RunningBoard> {
  const roots = await Promise.all(folders.map(rootOf));
  const inner = roots.find((one, i) => roots.findIndex(({ path }) => path === one.path) < i);
  if (inner !== undefined) throw usageError(`${inner.name} is given twice. Leave one out.`);
  const files = readPage(page);
  let library: Library | undefined;
  const jobs = new Jobs(join(roots[0]!.path, jobsFolder), most, () => void library?.look(0));
  await jobs.load(isReadOnly);
  library = new Library(
    roots,
    (view, path) => withJob(view, jobs, path),
    (known) => comingRuns(jobs, roots, known),
  );
  // What lies there already is known when the first page asks.
  void library.look(0).catch(() => undefined);
  const streams = new EventStreams(library);
  const tryModels = new TryModels();
  const token = newToken();
  const app = boardServer({ roots, library, streams, jobs, tryModels, isReadOnly, token, page: files });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      jobs.close();
      tryModels.close();
      streams.close();
      await app.close();
      await library.close();
    })();
    return closing;
  };
  try {
    await app.listen({ port, host });
  } catch (error) {
    await close();
    throw listenError(error, { host, port });
  }
  const { port: chosen } = app.server.address() as { port: number };
  const url = `http://${host}:${chosen}/?token=${token}`;
  return { url, port: chosen, token, close, [Symbol.asyncDispose]: close };
}

async function rootOf(name: string): Promise<Root> {
  try {
    const path = await realpath(name);
    if (!(await stat(path)).isDirectory()) throw new DiffoError(`${name} is a file, and a folder is to be shown.`);
    return { name, path };
  } catch (error) {
    throw fileError(error, name, 'show');
  }
}
