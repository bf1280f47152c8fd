import { join } from 'node:path';
import { DiffoError } from '../errors.js';
import { isJsonObject, parseJson, readSettingsText } from '../files/json.js';

/** The list of what a sentence-transformers model is made of. */
export const MODULES_FILE = 'modules.json';

/**
 * The folder of a sentence-transformers model that holds the transformer, where that is a folder of its own, such as
 * `0_Transformer`; undefined where it is the model's folder itself.
 * @throws DiffoError where modules.json names no transformer, or leads out of the folder
 */
export async function transformerFolder(folder: string): Promise<string | undefined> {
  const path = join(folder, MODULES_FILE);
  const modules = parseJson(await readSettingsText(path), (reason) => `${path} is not valid JSON (${reason}).`);
  const all = Array.isArray(modules) ? modules.filter(isJsonObject) : [];
  const found = all.find(({ type }) => typeof type === 'string' && /(^|\.)Transformer$/.test(type));
  if (found === undefined) {
    const types = all.map(({ type }) => String(type).split('.').at(-1)).join(', ');
    throw new DiffoError(`${path} names no transformer among its modules (${types}). Take another model.`);
  }
  if (found.path === '') return undefined;
  if (typeof found.path !== 'string' || !/^\w[\w.-]*$/.test(found.path)) {
    throw new DiffoError(`${path}: the path ${JSON.stringify(found.path)} of the transformer is no folder beside it.`);
  }
  return join(folder, found.path);
}
