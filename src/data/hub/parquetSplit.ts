import { join } from 'node:path';
import { DiffoError, quoted } from '../../errors.js';
import { type Environment, hubCacheFolder } from '../../files/caches.js';
import { absenceMark, cachedCommit, isFile, refuseStrayLinks, repositoryFolder } from '../../hub/cache.js';
import { fillSnapshot, type HubOptions } from '../../hub/download.js';

/** The revision on which the hub keeps every dataset as Parquet: `<config>/<split>/0000.parquet`, `0001.parquet`, … */
const PARQUET_REVISION = 'refs/convert/parquet';

/** What of a large dataset the hub has converted in part stands in a folder `partial-<split>`. */
const PARTIAL = 'partial-';

/** What else a user can do, as the end of a sentence. */
export const OTHER_WAY = "give the task's files with --data-dir or DIFFORA_DATA";

/** A split of a dataset on the hub. */
export interface HubSplit {
  /** `org/name` of the dataset. */
  readonly repository: string;
  /** Its configuration, `default` where it has only one without a name. */
  readonly config: string;
  readonly split: string;
}

/** A split whose files are here. */
export interface LocalSplit {
  readonly commit: string;
  /** `<config>/<split>` of the commit. */
  readonly path: string;
  /** The Parquet files of the split, in order. */
  readonly files: readonly string[];
  /** Where they are. */
  readonly folder: string;
  /** False when the cache cannot tell whether there are more files, as when Python has filled it. */
  readonly isAll: boolean;
  /** True when the hub has converted the first part of the split only. */
  readonly isPartial: boolean;
}

/** What the cache has of a split; undefined when that is nothing. */
export async function cachedSplit(wanted: HubSplit, env: Environment): Promise<LocalSplit | undefined> {
  const root = repositoryFolder(hubCacheFolder(env), { type: 'dataset', name: wanted.repository });
  const commit = await cachedCommit(root, PARQUET_REVISION);
  if (commit === undefined) return undefined;
  const snapshot = join(root, 'snapshots', commit);
  for (const path of foldersOf(wanted)) {
    await refuseStrayLinks(root, join(snapshot, path));
    let count = 0;
    while (await isFile(join(snapshot, partOf(path, count)))) count++;
    const isAll = await isFile(absenceMark(root, commit, partOf(path, count)));
    if (count > 0) return localSplit(commit, snapshot, path, count, isAll);
  }
  return undefined;
}

/**
 * Downloads a split into the cache, and marks that there is no file after its last, so that the cache tells a whole split
 * from one that was broken off.
 *
 * @throws HubUnreachable when the hub cannot be reached; DiffoError when it has no such dataset, configuration or split
 */
export function downloadSplit(wanted: HubSplit, options: HubOptions): Promise<LocalSplit> {
  const repository = { type: 'dataset', name: wanted.repository } as const;
  return fillSnapshot(repository, PARQUET_REVISION, options, async ({ commit, files, folder, fetch, markAbsent }) => {
    const { path, parts } = findParts(wanted, files);
    await fetch(parts);
    await markAbsent(partOf(path, parts.length));
    return localSplit(commit, folder, path, parts.length, true);
  });
}

function foldersOf({ config, split }: HubSplit): string[] {
  return [`${config}/${split}`, `${config}/${PARTIAL}${split}`];
}

function partOf(path: string, index: number): string {
  return `${path}/${String(index).padStart(4, '0')}.parquet`;
}

function localSplit(commit: string, snapshot: string, path: string, count: number, isAll: boolean): LocalSplit {
  const files = Array.from({ length: count }, (_, index) => join(snapshot, partOf(path, index)));
  return { commit, path, files, folder: join(snapshot, path), isAll, isPartial: path.includes(`/${PARTIAL}`) };
}

function findParts(wanted: HubSplit, files: readonly string[]): { path: string; parts: string[] } {
  const tables = files.filter((file) => file.endsWith('.parquet'));
  for (const path of foldersOf(wanted)) {
    const parts = tables.filter((file) => file.startsWith(`${path}/`)).sort();
    if (parts.some((part, index) => part !== partOf(path, index))) {
      throw new DiffoError(
        `${wanted.repository} has ${quoted(parts)}, and not 0000.parquet and so on, as the hub names them. Wait for the ` +
          `hub to convert it again, or ${OTHER_WAY}.`,
      );
    }
    if (parts.length > 0) return { path, parts };
  }
  throw noSuchSplit(wanted, tables);
}

function noSuchSplit({ repository, config, split }: HubSplit, tables: readonly string[]): DiffoError {
  const folders = tables.map((file) => file.split('/'));
  const splits = folders.flatMap(([its, name = '']) => (its === config ? [name.replace(PARTIAL, '')] : []));
  const [what, there] =
    splits.length > 0
      ? [`no split "${split}" of "${config}"`, splits]
      : [`no configuration "${config}"`, folders.map(([its = '']) => its)];
  const names = quoted([...new Set(there)].sort()) || 'no Parquet files';
  return new DiffoError(`${repository} has ${what} on the hub; it has ${names}. Choose one of those, or ${OTHER_WAY}.`);
}
