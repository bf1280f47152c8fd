import { dirname, join } from 'node:path';
import { datasetInfo, listFiles, modelInfo, type PathInfo, pathsInfo } from '@huggingface/hub';
import { DiffoError } from '../errors.js';
import { makeFolders, writeFileAtomic } from '../files/atomic.js';
import { type Environment, hubCacheFolder } from '../files/caches.js';
import { fileError } from '../files/errors.js';
import { hubAccess, hubEndpoint, hubLogin } from './access.js';
import { type HubFile, linkSnapshot, storeBlob } from './blob.js';
import { absenceMark, isCommit, type Repository, refFile, repositoryFolder, staysInside } from './cache.js';
import { hubError, understood } from './errors.js';
import { DEFAULT_PATIENCE, type HubAccess, HubUnreachable, hubFetch, type Patience } from './fetch.js';

export interface DownloadProgress {
  /** Name of the file that is being fetched. */
  readonly file: string;
  /** Bytes that are here, and bytes it takes as far as known. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface HubOptions {
  readonly env: Environment;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly patience?: Patience | undefined;
}

/** A commit on the hub, whose files can be fetched into its snapshot in the cache. */
export interface RemoteSnapshot {
  readonly commit: string;
  /** Paths of all files that the commit has. */
  readonly files: readonly string[];
  /** The snapshot's folder in the cache, `snapshots/<commit>`. */
  readonly folder: string;
  fetch(paths: readonly string[]): Promise<void>;
  /** Remembers in the cache that the commit has no file of that path. */
  markAbsent(path: string): Promise<void>;
}

/**
 * Fills the Python-layout cache from a revision on the hub: `fill` chooses the files. Every file is checked against the
 * size and hash that the hub gives before it takes its final name, and the name of the revision comes last: it makes the
 * snapshot findable.
 *
 * The package's own `downloadFileToCacheDir` is not used, since it prints to standard output, checks neither size nor
 * hash, and leaves a partial file that Python would resume from.
 *
 * @returns what `fill` returns
 * @throws HubUnreachable when the hub cannot be reached or the connection breaks; DiffoError for everything else
 */
export async function fillSnapshot<T>(
  repository: Repository,
  revision: string,
  options: HubOptions,
  fill: (snapshot: RemoteSnapshot) => Promise<T>,
): Promise<T> {
  const hubUrl = hubEndpoint(options.env);
  const patience = options.patience ?? DEFAULT_PATIENCE;
  const access = await hubAccess(
    hubUrl,
    hubFetch(hubUrl, patience, options.signal, hubLogin(options.env)),
    options.env,
  );
  const root = repositoryFolder(hubCacheFolder(options.env), repository);
  try {
    const { commit, files } = await describe(repository, revision, access);
    const folder = join(root, 'snapshots', commit);
    const job = { repository, commit, root, folder, access, stall: patience.stall, options };
    const filled = await fill({
      commit,
      files,
      folder,
      fetch: (paths) => fetchFiles(paths, job),
      markAbsent: (path) => writeSmall(absenceMark(root, commit, path), ''),
    });
    if (revision !== commit) await writeSmall(refFile(root, revision), commit);
    return filled;
  } catch (error) {
    options.signal?.throwIfAborted();
    throw await hubError(error, repository, revision, access);
  }
}

async function describe(
  repository: Repository,
  revision: string,
  access: HubAccess,
): Promise<{ commit: string; files: string[] }> {
  const wanted = { ...access, name: repository.name, revision };
  if (repository.type === 'model') {
    const ask = () => modelInfo({ ...wanted, additionalFields: ['sha', 'filePaths'] });
    const { sha, filePaths } = await understood(access, ask);
    if (isCommit(sha) && filePaths.every((path) => typeof path === 'string')) return { commit: sha, files: filePaths };
  } else {
    const { sha } = await understood(access, () => datasetInfo({ ...wanted, additionalFields: ['sha'] }));
    if (isCommit(sha)) {
      return { commit: sha, files: await understood(access, () => allFiles(repository, sha, access)) };
    }
  }
  throw new HubUnreachable(access.hubUrl, 'its answer names no commit and files, as that of a hub does');
}

/** Of a dataset the package gives no list of files with the commit, as it does of a model. */
async function allFiles(repo: Repository, revision: string, access: HubAccess): Promise<string[]> {
  const files: string[] = [];
  for await (const { type, path } of listFiles({ ...access, repo, revision, recursive: true })) {
    if (type === 'file') files.push(path);
  }
  return files;
}

interface Job {
  readonly repository: Repository;
  readonly commit: string;
  /** Folder of the repository in the cache, and of the snapshot in it. */
  readonly root: string;
  readonly folder: string;
  readonly access: HubAccess;
  readonly stall: number;
  readonly options: HubOptions;
}

async function fetchFiles(paths: readonly string[], job: Job): Promise<void> {
  const { repository: repo, access, commit, stall, options } = job;
  const ask = () => pathsInfo({ ...access, repo, paths: [...paths], revision: commit });
  const infos = await understood(access, ask);
  const found = paths.map((path) => describeFile(path, infos, job));
  const totalBytes = found.reduce((sum, file) => sum + file.size, 0);
  let before = 0;
  for (const file of found) {
    const onBytes = (bytes: number) =>
      options.onProgress?.({ file: file.path, receivedBytes: before + bytes, totalBytes });
    const blob = await storeBlob(file, join(job.root, 'blobs'), { access, stall, signal: options.signal, onBytes });
    await linkSnapshot(blob, join(job.folder, file.path));
    before += file.size;
  }
}

function describeFile(path: string, infos: readonly PathInfo[], { repository, commit, access }: Job): HubFile {
  if (!staysInside(path)) {
    throw new DiffoError(
      `${access.hubUrl} has a file "${path}" in ${repository.name}, whose name leads out of its folder. It is not fetched.`,
    );
  }
  const info = infos.find((one) => one.path === path);
  const hash = info?.lfs?.oid ?? info?.oid;
  const size = info?.lfs?.size ?? info?.size;
  if (
    typeof hash !== 'string' ||
    !Number.isSafeInteger(size) ||
    size! < 0 ||
    !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)
  ) {
    throw new HubUnreachable(access.hubUrl, `it gives no size and hash for ${path} of ${repository.name}`);
  }
  return { repo: repository, commit, path, size: size!, hash };
}

async function writeSmall(path: string, text: string): Promise<void> {
  try {
    await makeFolders(dirname(path));
  } catch (error) {
    throw fileError(error, dirname(path), 'make the folder');
  }
  await writeFileAtomic(path, text);
}
