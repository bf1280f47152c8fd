import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DiffoError } from '../errors.js';

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly content: Buffer;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Where the build puts the page. */
export const builtPage = fileURLToPath(new URL('./page/', import.meta.url));

/**
 * The files of the page by path (`/index.html`), read once: nothing else of the disk can be asked for under their names.
 * @throws DiffoError where the page was not built
 */
export function readPage(folder: string): ReadonlyMap<string, PageFile> {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    throw new DiffoError(`The page of the board is not in ${folder}. Build it with npm run build.`, { cause: error });
  }
  const files = names.filter((name) => Object.hasOwn(types, extname(name)));
  const page = new Map(
    files.map((name): [string, PageFile] => {
      const path = join(folder, name);
      const key = `/${relative(folder, path).split(sep).join('/')}`;
      return [key, { type: types[extname(name)]!, content: readFileSync(path) }];
    }),
  );
  if (!page.has('/index.html')) {
    throw new DiffoError(`The page of the board is not in ${folder}. Build it with npm run build.`);
  }
  return page;
}
