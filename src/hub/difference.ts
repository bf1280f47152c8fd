import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type PathInfo, pathsInfo } from '@huggingface/hub';
import { DiffoError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { understood } from './errors.js';
import type { HubAccess } from './fetch.js';

/** A file that is to be in a repository. */
export interface UploadFile {
  /** Path in the repository, `/` between its parts. */
  readonly path: string;
  /** Where its content is. */
  readonly source: string;
  readonly bytes: number;
  /** `ctimeMs` when it was listed: what is written to it later changes that. */
  readonly changed: number;
}

/** Paths that the hub is asked about at once. */
const asked = 100;

/** The files that a commit of a model repository does not have, or has with other content. */
export async function differing(
  files: readonly UploadFile[],
  repo: string,
  commit: string,
  access: HubAccess,
  signal?: AbortSignal,
): Promise<UploadFile[]> {
  const found: UploadFile[] = [];
  for (let start = 0; start < files.length; start += asked) {
    const some = files.slice(start, start + asked);
    const paths = some.map(({ path }) => path);
    const where = { repo: { type: 'model', name: repo } as const, revision: commit, paths };
    const infos = await understood(access, () => pathsInfo({ ...access, ...where }));
    for (const file of some) {
      const info = infos.find(({ path, type }) => path === file.path && type === 'file');
      if (info === undefined || !(await isSame(file, info, signal))) found.push(file);
    }
  }
  return found;
}

/** The hub has large files by SHA-256, and others by git's SHA-1 over a header with the size, then the content. */
async function isSame({ source, bytes }: UploadFile, info: PathInfo, signal?: AbortSignal): Promise<boolean> {
  if ((info.lfs?.size ?? info.size) !== bytes) return false;
  const hash = info.lfs ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
  try {
    for await (const piece of createReadStream(source, { signal })) hash.update(piece as Buffer);
  } catch (error) {
    throw fileError(error, source, 'read');
  }
  return hash.digest('hex') === (info.lfs?.oid ?? info.oid);
}

/** @throws DiffoError for a file that is not as it was listed */
export async function refuseChanged(files: readonly UploadFile[]): Promise<void> {
  for (const { source, bytes, changed } of files) {
    const now = await stat(source).catch((error: unknown) => Promise.reject(fileError(error, source, 'read')));
    if (now.size === bytes && now.ctimeMs === changed) continue;
    throw new DiffoError(
      `${source} was changed while it was pushed. Nothing was committed. Push again when nothing writes to it.`,
    );
  }
}
