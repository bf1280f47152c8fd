import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SplitName } from '../../data/types.js';
import { DiffoError } from '../../errors.js';

/** Where the files of a known task may lie. */
export interface DataFiles {
  readonly name: string;
  /** Names its folder goes by in a data directory; the first is used in messages. */
  readonly folders: readonly string[];
  /** For each split the files to look for, in order; each also with `.gz`. */
  readonly files: Partial<Record<SplitName, readonly string[]>>;
}

/**
 * The path of the file of a split.
 *
 * @throws DiffoError that names what was looked for, and the files of other splits that are there
 */
export function findDataFile({ name, folders, files }: DataFiles, split: SplitName, dataDir: string): string {
  const wanted = files[split] ?? [];
  if (!existsSync(dataDir))
    throw new DiffoError(`The data folder ${dataDir} does not exist. Check --data-dir or DIFFORA_DATA.`);
  const found = pathOf(folders, wanted, dataDir);
  if (found !== undefined) return found;
  const paths = wanted.map((file) => `${join(dataDir, folders[0]!, file)}[.gz]`).join(' or ');
  const others = Object.entries(files).filter(([each, names]) => each !== split && pathOf(folders, names, dataDir));
  const part = split === 'train' && files.dev === undefined ? ' (of which dev is a tenth)' : '';
  const scored = others.length > 0 ? ` Its ${others.map(([each]) => each).join(' and ')} data can be scored.` : '';
  throw new DiffoError(
    `The task ${name} has no ${split} data${part} here: ${paths} does not exist (the folder may also be called ` +
      `${folders.slice(1).join(' or ')}).${scored} Fetch the file, or check --data-dir or DIFFORA_DATA.`,
  );
}

function pathOf(folders: readonly string[], files: readonly string[], dataDir: string): string | undefined {
  const paths = folders.flatMap((folder) =>
    files.flatMap((file) => [file, `${file}.gz`].map((end) => join(folder, end))),
  );
  return paths.map((path) => join(dataDir, path)).find((path) => existsSync(path));
}
