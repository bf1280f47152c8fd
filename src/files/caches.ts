import { homedir } from 'node:os';
import { join } from 'node:path';

/** Environment variables; `process.env` unless a caller gives others. */
export type Environment = Readonly<Record<string, string | undefined>>;

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
