import { realpath } from 'node:fs/promises';
import { HubApiError } from '@huggingface/hub';
import { DiffoError } from '../../errors.js';
import { type Environment, hubCacheFolder } from '../../files/caches.js';
import { hubEndpoint, isOffline } from '../../hub/access.js';
import type { DownloadProgress } from '../../hub/download.js';
import { HubUnreachable, type Patience } from '../../hub/fetch.js';
import { readParquet } from '../readers/parquet.js';
import type { Row, Table } from '../readers/table.js';
import { cachedSplit, downloadSplit, type HubSplit, type LocalSplit, OTHER_WAY } from './parquetSplit.js';

export type { HubSplit } from './parquetSplit.js';

export interface HubTableOptions {
  /** Takes what the user should know, such as rows that may be missing. */
  readonly warn: (message: string) => void;
  /** Takes one line: which source was used. */
  readonly info?: ((message: string) => void) | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** `process.env` by default. */
  readonly env?: Environment | undefined;
  readonly patience?: Patience | undefined;
}

/**
 * The rows of a split of a dataset on the hub: from the local cache (Python's layout), else from the hub's Parquet files,
 * which go into that cache. The table's path is `hf://datasets/<repository>@<commit>/<config>/<split>`, a row's line its
 * number in the split, from 1, over all files.
 *
 * Environment: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME, HF_HUB_CACHE.
 *
 * @throws DiffoError that says what was tried and what to do
 */
export async function hubTable(wanted: HubSplit, options: HubTableOptions): Promise<Table> {
  options.signal?.throwIfAborted();
  const local = await findSplit(wanted, options);
  const table = await readSplit(wanted, local);
  if (local.isPartial) {
    options.warn(
      `The hub has only the first part of ${titleOf(wanted)} as Parquet: ${table.rows.length} rows. ` +
        `For all of them, ${OTHER_WAY}.`,
    );
  }
  return table;
}

/** `nyu-mll/glue cola/train`, for messages. */
function titleOf({ repository, config, split }: HubSplit): string {
  return `${repository} ${config}/${split}`;
}

async function findSplit(wanted: HubSplit, options: HubTableOptions): Promise<LocalSplit> {
  const { env = process.env, info, warn } = options;
  const title = titleOf(wanted);
  const cached = await cachedSplit(wanted, env);
  if (cached?.isAll) {
    info?.(`Data ${title}: from the local cache ${cached.folder}`);
    return cached;
  }
  const found = await fromHub(wanted, env, options);
  if ('files' in found) {
    info?.(`Data ${title}: from the hub ${hubEndpoint(env)}, now in ${found.folder}`);
    return found;
  }
  if (cached === undefined) {
    throw new DiffoError(
      `${title} is not in the local cache ${hubCacheFolder(env)}, and ${found.reason}. Go online, or ${OTHER_WAY}.`,
    );
  }
  const files = cached.files.length === 1 ? '1 file' : `${cached.files.length} files`;
  warn(
    `Data ${title}: from the local cache ${cached.folder}, which has ${files} of it. There may be more, and ` +
      `${found.reason}.`,
  );
  return cached;
}

/** @returns the split, or why the hub cannot be asked */
async function fromHub(
  wanted: HubSplit,
  env: Environment,
  { signal, onProgress, patience }: HubTableOptions,
): Promise<LocalSplit | { reason: string }> {
  if (isOffline(env)) return { reason: 'HF_HUB_OFFLINE is set' };
  try {
    return await downloadSplit(wanted, { env, signal, onProgress, patience });
  } catch (error) {
    if (error instanceof HubUnreachable) return { reason: `${hubEndpoint(env)} cannot be reached (${error.reason})` };
    if (!(error instanceof DiffoError && error.cause instanceof HubApiError)) throw error;
    throw new DiffoError(`${error.message} Or ${OTHER_WAY}.`, { cause: error });
  }
}

async function readSplit(wanted: HubSplit, { commit, path, files }: LocalSplit): Promise<Table> {
  const rows: Row[] = [];
  let columns: readonly string[] = [];
  for (const file of files) {
    const table = await readBlob(await realpath(file), wanted);
    const before = rows.length;
    for (const { line, values } of table.rows) rows.push({ line: before + line, values });
    columns = table.columns;
  }
  return { path: `hf://datasets/${wanted.repository}@${commit}/${path}`, columns, rows };
}

async function readBlob(path: string, wanted: HubSplit): Promise<Table> {
  try {
    return await readParquet(path);
  } catch (error) {
    if (!(error instanceof DiffoError)) throw error;
    throw new DiffoError(`${error.message} Remove it, and ${titleOf(wanted)} is fetched anew.`, { cause: error });
  }
}
