import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonObject } from '../files/json.js';
import { absenceMark, cachedCommit, isFile, refuseStrayLinks, repositoryFolder } from '../hub/cache.js';
import {
  CONFIG_FILE,
  isQuantisation,
  TORCH_FILE,
  TORCH_INDEX_FILE,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
  weightMap,
} from './weightFiles.js';

export interface Snapshot {
  readonly folder: string;
  readonly commit: string;
  /** The GGUF file of the folder, where that is the model. */
  readonly file?: string;
}

/**
 * The snapshot of a revision in a Python-layout cache, by `refs/<revision>` or the commit itself.
 *
 * @returns undefined when it is not there or not complete: see {@link isComplete}
 * @throws DiffoError where a link in it leads out of the cache
 */
export async function findSnapshot(
  cache: string,
  id: string,
  revision: string,
  quantisation?: string,
): Promise<Snapshot | undefined> {
  const repository = repositoryFolder(cache, { type: 'model', name: id });
  const commit = await cachedCommit(repository, revision);
  if (commit === undefined) return undefined;
  const folder = join(repository, 'snapshots', commit);
  const files: string[] = await readdir(folder).catch(() => []);
  await refuseStrayLinks(repository, folder);
  const ggufs = files.filter((file) => file.endsWith('.gguf'));
  const gguf = quantisation === undefined ? ggufs : ggufs.filter((file) => isQuantisation(file, quantisation));
  const only = gguf.length === 1 && (quantisation !== undefined || !files.includes(CONFIG_FILE)) ? gguf[0] : undefined;
  if (only !== undefined && (await isFile(join(folder, only)))) return { folder, commit, file: join(folder, only) };
  if (quantisation !== undefined) return undefined;
  const noTokenizer = await isFile(absenceMark(repository, commit, 'tokenizer.json'));
  return (await isComplete(folder, !noTokenizer)) ? { folder, commit } : undefined;
}

/** True when config, all weights and (where the model has one) tokenizer.json are there, links followed. */
export async function isComplete(folder: string, withTokenizer = true): Promise<boolean> {
  if (!(await isFile(join(folder, CONFIG_FILE)))) return false;
  if (withTokenizer && !(await isFile(join(folder, 'tokenizer.json')))) return false;
  for (const [file, index] of [
    [WEIGHTS_FILE, WEIGHTS_INDEX_FILE],
    [TORCH_FILE, TORCH_INDEX_FILE],
  ] as const) {
    if ((await isFile(join(folder, file))) || (await hasShards(folder, index))) return true;
  }
  return false;
}

async function hasShards(folder: string, index: string): Promise<boolean> {
  try {
    const path = join(folder, index);
    const shards = new Set(weightMap(await readJsonObject(path), path).values());
    const there = await Promise.all([...shards].map((shard) => isFile(join(folder, shard))));
    return there.every(Boolean);
  } catch {
    return false;
  }
}
