import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { ApiError, badRequest } from '../serve/apiError.js';

/** A folder that the board shows. */
export interface Root {
  /** As it was given. */
  readonly name: string;
  /** Where it really lies, links followed. */
  readonly path: string;
}

/** Number of the root and path in it, with `/`: what the page calls a run by. */
export function idOf(root: number, path: string): string {
  return `${root}/${path.split(sep).join('/')}`;
}

/**
 * The path that an id means.
 * @throws ApiError (400) for one that leads out of its folder
 */
export function pathOfId(roots: readonly Root[], id: string): { readonly root: number; readonly path: string } {
  const match = /^(\d{1,3})\/(.*)$/s.exec(id);
  const root = match === null ? undefined : roots[Number(match[1])];
  if (match === null || root === undefined) throw badRequest('There is no such folder here.', 'id');
  return { root: Number(match[1]), path: join(root.path, insidePath(match[2]!)) };
}

/**
 * A relative path that cannot lead out of where it is put.
 * @throws ApiError (400)
 */
export function insidePath(path: string): string {
  const parts = path.split(/[/\\]/);
  if (path.includes('\0') || isAbsolute(path) || /^[a-z]:/i.test(path) || parts.includes('..')) {
    throw badRequest('A path has to be one within the folder, without "..".', 'path');
  }
  return path;
}

/**
 * Where a file or folder really lies, links followed, which has to be within one of the folders.
 * @throws ApiError (403) for what lies outside, (404) for what is not there
 */
export async function realWithin(folders: readonly string[], path: string): Promise<string> {
  const real = await realpath(path).catch(() => {
    throw new ApiError(404, 'There is no such file here.', { code: 'not_found' });
  });
  if (!folders.some((folder) => isWithin(folder, real))) throw outside();
  return real;
}

/** True for a folder itself, and for all that lies in it. */
export function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/**
 * A place for something new: what is there of its path has to lie, links followed, within one of the folders.
 * @throws ApiError (403)
 */
export async function newWithin(folders: readonly string[], path: string): Promise<string> {
  const full = resolve(path);
  if (full.includes('\0')) throw outside();
  for (let there = full; ; there = resolve(there, '..')) {
    const real = await realpath(there).catch(() => undefined);
    if (real === undefined && there !== resolve(there, '..')) continue;
    const place = resolve(real ?? there, relative(there, full));
    if (!folders.some((folder) => isWithin(folder, place))) throw outside();
    return place;
  }
}

const outside = () =>
  new ApiError(403, 'That lies outside of the folders of this board. Start the board with its folder, too.', {
    code: 'outside',
  });
