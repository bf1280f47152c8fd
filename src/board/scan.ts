import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKPOINTS_FOLDER, stepOf } from '../artifacts/checkpoints/format.js';
import { PROGRESS_FILE } from '../artifacts/progressFile.js';

/** Folders that are looked into, and how deep: a board on a whole disk must not read all of it. */
const mostFolders = 5000;
const deepest = 6;
/** Runs that are shown, at most. */
const mostRuns = 2000;
/** Clocks of file systems are coarse: what changed later than this before it was read is read again. */
const settledMilliseconds = 3000;

/** What one folder is, as its names tell. */
export interface FoundRun {
  /** The folder of the run, which is not there yet where only `partial` is. */
  readonly path: string;
  /** It has a run.json. */
  readonly isComplete: boolean;
  /** It has checkpoints, or a folder for them. */
  readonly checkpoints: boolean;
  readonly isSaved: boolean;
  /** Folder in which the run is built that goes on. */
  readonly partial: string | undefined;
}

export interface Found {
  readonly runs: readonly FoundRun[];
  readonly comparisons: readonly string[];
  /** There were more folders or runs than are looked at. */
  readonly isCut: boolean;
}

interface Listed {
  readonly mtime: number;
  readonly read: number;
  readonly entries: readonly Dirent[];
}

/** Folders of a run in which no run lies. */
const ownFolders = new Set([CHECKPOINTS_FOLDER, 'adapter']);

/** The lines of a comparison, or of a share of one. */
export const isRecords = (name: string): boolean => /^records(-\d+-of-\d+)?\.jsonl$/.test(name);

const partialOf = /^\.(.+)\.partial-\d+-[0-9a-f]{8}$/;

/** Finds runs and comparisons under a folder; links are not followed. Folders that have not changed are not read again. */
export function scanner(root: string): () => Promise<Found> {
  let before = new Map<string, Listed>();
  return async () => {
    const now = new Map<string, Listed>();
    const runs = new Map<string, FoundRun>();
    const comparisons: string[] = [];
    let isCut = false;
    const list = async (folder: string): Promise<readonly Dirent[]> => {
      const found = await stat(folder).catch(() => undefined);
      if (found === undefined) return [];
      const known = before.get(folder);
      const mtime = found.mtimeMs;
      if (known !== undefined && known.mtime === mtime && known.read - mtime > settledMilliseconds) {
        now.set(folder, known);
        return known.entries;
      }
      const read = Date.now();
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      now.set(folder, { mtime, read, entries });
      return entries;
    };
    const put = (path: string, more: Partial<FoundRun>) => {
      if (!runs.has(path) && runs.size >= mostRuns) isCut = true;
      else runs.set(path, { ...noneOf(path), ...runs.get(path), ...more });
    };
    const visit = async (folder: string, depth: number): Promise<void> => {
      if (now.size >= mostFolders) {
        isCut = true;
        return;
      }
      const entries = await list(folder);
      const has = (name: string) => entries.some((one) => one.name === name);
      const isComplete = has('run.json');
      const checkpoints = entries.some((one) => one.name === CHECKPOINTS_FOLDER && one.isDirectory());
      let isRun = false;
      if (isComplete || checkpoints) {
        const saved = checkpoints ? await list(join(folder, CHECKPOINTS_FOLDER)) : [];
        const isSaved = saved.some(({ name }) => (stepOf(name) ?? -1) >= 0);
        const isGoingOn = isSaved || saved.some(({ name }) => name === PROGRESS_FILE);
        isRun = isComplete || isGoingOn;
        if (isRun) put(folder, { isComplete, checkpoints: isGoingOn, isSaved });
      }
      if (entries.some(({ name }) => isRecords(name))) comparisons.push(folder);
      if (depth >= deepest) return;
      for (const one of entries) {
        if (!one.isDirectory() || (isRun && ownFolders.has(one.name))) continue;
        const path = join(folder, one.name);
        const name = partialOf.exec(one.name)?.[1];
        if (name !== undefined) {
          if ((await list(path)).some((inside) => inside.name === PROGRESS_FILE))
            put(join(folder, name), { partial: path });
        } else if (!one.name.startsWith('.') && one.name !== 'node_modules') {
          await visit(path, depth + 1);
        }
      }
    };
    await visit(root, 0);
    before = now;
    return { runs: [...runs.values()], comparisons, isCut };
  };
}

const noneOf = (path: string): FoundRun => ({
  path,
  isComplete: false,
  checkpoints: false,
  isSaved: false,
  partial: undefined,
});
