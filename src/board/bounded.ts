import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { ApiError } from '../serve/apiError.js';
import { taskForm } from '../tasks/taskForm.js';
import { newWithin, type Root, realWithin } from './roots.js';

/** Settings that may name a file or folder. */
const placed = ['model', 'task', 'dataDir', 'adapter', 'dam', 'chatTemplate', 'logDir'] as const;

/**
 * Settings whose paths lie in the folders of the board, as absolute paths. A relative one is looked for in the current folder
 * and in those of the board; names of the hub, of known tasks and of known templates stay.
 * @throws ApiError (403) for a path that lies outside, (404) for one that is not there
 */
export async function boundedSettings(
  settings: Readonly<Record<string, unknown>>,
  roots: readonly Root[],
): Promise<Record<string, unknown>> {
  const bounded: Record<string, unknown> = { ...settings };
  const folders = roots.map(({ path }) => path);
  for (const key of placed) {
    const value = settings[key];
    if (typeof value !== 'string' || value === '') continue;
    if (key === 'task' && taskForm(value) === 'known') continue;
    const found = [value, ...folders.map((folder) => join(folder, value))].find(
      (path, i) => (i === 0 || !isAbsolute(value)) && existsSync(path),
    );
    if (found !== undefined) bounded[key] = await realWithin(folders, resolve(found));
    else if (key === 'logDir') bounded[key] = await newWithin(folders, join(folders[0]!, value));
    else if (looksLikePath(value) || key === 'task' || key === 'dam' || key === 'dataDir' || key === 'adapter') {
      throw new ApiError(404, `${key}: there is no ${value} in the folders of this board.`, {
        code: 'not_found',
        param: key,
      });
    }
  }
  return bounded;
}

function looksLikePath(value: string): boolean {
  return isAbsolute(value) || /^[.~]|\\|\0|\.\.|\.(gguf|jinja|yaml|json)$/i.test(value);
}
