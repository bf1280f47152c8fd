import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { readJsonObject } from '../files/json.js';
import {
  CONFIG_FILE,
  isQuantisation,
  TORCH_FILE,
  TORCH_INDEX_FILE,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
  weightMap,
} from './weightFiles.js';

/** Environment variables; `process.env` unless a caller gives others. */
export type Environment = Readonly<Record<string, string | undefined>>;

const COMMIT = /^[0-9a-f]{40}$/;

/** The cache that Python's huggingface_hub uses: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
export function hubCacheFolder(env: Environment): string {
  const explicit = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  if (explicit) return expandHome(explicit, env);
  return join(hubHome(env), 'hub');
}

/** HF_HOME, else ~/.cache/huggingface. */
export function hubHome(env: Environment): string {
  return expandHome(env.HF_HOME || join(userCacheFolder(env), 'huggingface'), env);
}

/** diffora's own cache: DIFFORA_CACHE, else XDG_CACHE_HOME/diffora, else ~/.cache/diffora. */
export function ownCacheFolder(env: Environment): string {
  return env.DIFFORA_CACHE ? expandHome(env.DIFFORA_CACHE, env) : join(userCacheFolder(env), 'diffora');
}

function userCacheFolder(env: Environment): string {
  return env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
}

function expandHome(path: string, env: Environment): string {
  return path === '~' || path.startsWith('~/') ? join(env.HOME || homedir(), path.slice(1)) : path;
}

/** `models--org--name` below the cache. */
export function repositoryFolder(cache: string, id: string): string {
  return join(cache, `models--${id.replaceAll('/', '--')}`);
}

export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** Names of the models that the cache holds, for "did you mean". */
export async function cachedModels(cache: string): Promise<string[]> {
  const folders = await readdir(cache).catch(() => []);
  return folders
    .filter((name) => name.startsWith('models--'))
    .map((name) => name.slice('models--'.length).replaceAll('--', '/'));
}

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
 */
export async function findSnapshot(
  cache: string,
  id: string,
  revision: string,
  quantisation?: string,
): Promise<Snapshot | undefined> {
  const repository = repositoryFolder(cache, id);
  const commit = isCommit(revision)
    ? revision
    : (await readFile(join(repository, 'refs', ...revision.split('/')), 'utf8').catch(() => '')).trim();
  if (!isCommit(commit)) return undefined;
  const folder = join(repository, 'snapshots', commit);
  const files: string[] = await readdir(folder).catch(() => []);
  const ggufs = files.filter((file) => file.endsWith('.gguf'));
  const gguf = quantisation === undefined ? ggufs : ggufs.filter((file) => isQuantisation(file, quantisation));
  const only = gguf.length === 1 && (quantisation !== undefined || !files.includes(CONFIG_FILE)) ? gguf[0] : undefined;
  if (only !== undefined && (await isFile(join(folder, only)))) return { folder, commit, file: join(folder, only) };
  if (quantisation !== undefined) return undefined;
  const noTokenizer = await isFile(join(repository, '.no_exist', commit, 'tokenizer.json'));
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

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
