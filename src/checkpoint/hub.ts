import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  HubApiError,
  InvalidApiResponseFormatError,
  listModels,
  modelInfo,
  type PathInfo,
  pathsInfo,
} from '@huggingface/hub';
import { DiffoError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { readJsonObject } from '../files/json.js';
import { TOKENIZER_FILES } from '../files/tokenizerFiles.js';
import { type HubFile, linkSnapshot, storeBlob } from './hub-blob.js';
import { type Environment, hubHome, isCommit, repositoryFolder, type Snapshot } from './hub-cache.js';
import {
  DEFAULT_PATIENCE,
  type HubAccess,
  HubUnreachable,
  hubFetch,
  networkReason,
  type Patience,
} from './hub-fetch.js';
import {
  CONFIG_FILE,
  GENERATION_FILE,
  isQuantisation,
  TORCH_FILE,
  TORCH_INDEX_FILE,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
  weightMap,
} from './weightFiles.js';

const DEFAULT_ENDPOINT = 'https://huggingface.co';

export interface DownloadProgress {
  /** Name of the file that is being fetched. */
  readonly file: string;
  /** Bytes of the model that are here, and bytes it takes as far as known. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface HubOptions {
  readonly env: Environment;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly patience?: Patience | undefined;
  /** Which GGUF file of the repository, such as `Q4_K_M`. */
  readonly quantisation?: string | undefined;
}

export function hubEndpoint(env: Environment): string {
  return (env.HF_ENDPOINT || DEFAULT_ENDPOINT).replace(/\/+$/, '');
}

/** HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE, with the values that Python takes for true. */
export function isOffline(env: Environment): boolean {
  return [env.HF_HUB_OFFLINE, env.TRANSFORMERS_OFFLINE].some((value) => /^(1|on|yes|true)$/i.test(value ?? ''));
}

/**
 * Downloads what diffora needs of a model (config, weights, tokenizer; or one GGUF file) into a Python-layout cache. Every
 * file is checked against the size and hash that the hub gives before it takes its final name.
 *
 * The package's own `downloadFileToCacheDir` is not used, since it prints to standard output, checks neither size nor
 * hash, and leaves a partial file that Python would resume from.
 *
 * @param id `org/name`
 * @throws HubUnreachable when the hub cannot be reached or the connection breaks; DiffoError for everything else
 */
export async function downloadSnapshot(
  id: string,
  revision: string,
  cache: string,
  options: HubOptions,
): Promise<Snapshot> {
  const hubUrl = hubEndpoint(options.env);
  const patience = options.patience ?? DEFAULT_PATIENCE;
  const access = await hubAccess(hubUrl, hubFetch(hubUrl, patience, options.signal), options.env);
  try {
    const { commit, files } = await describe(id, revision, access);
    return await fetchAll({ id, revision, commit, files, cache, access, patience, options });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw await hubError(error, id, revision, access);
  }
}

async function hubAccess(hubUrl: string, fetch: HubAccess['fetch'], env: Environment): Promise<HubAccess> {
  const { token: accessToken, from } = await findToken(env);
  if (!accessToken) return { hubUrl, fetch };
  if (!accessToken.startsWith('hf_')) {
    throw new DiffoError(`${from} is not a token of the hub: those start with "hf_". Correct it or unset it.`);
  }
  return { hubUrl, fetch, accessToken };
}

/** Where Python looks: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, then the file that `hf auth login` writes. */
async function findToken(env: Environment): Promise<{ token: string; from: string }> {
  for (const from of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = env[from]?.trim();
    if (token) return { token, from };
  }
  const from = env.HF_TOKEN_PATH || join(hubHome(env), 'token');
  const token = await readFile(from, 'utf8').catch(() => '');
  return { token: token.trim(), from };
}

async function describe(id: string, revision: string, access: HubAccess): Promise<{ commit: string; files: string[] }> {
  if (!URL.canParse(access.hubUrl)) {
    throw new DiffoError(`HF_ENDPOINT is not a URL: ${access.hubUrl}. Correct it or unset it.`);
  }
  const info = await modelInfo({ ...access, name: id, revision, additionalFields: ['sha', 'filePaths'] });
  if (!isCommit(info.sha) || !info.filePaths.every((path) => typeof path === 'string')) {
    throw new HubUnreachable(access.hubUrl, 'its answer names no commit and files, as that of a hub does');
  }
  return { commit: info.sha, files: info.filePaths };
}

interface Job {
  readonly id: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly string[];
  readonly cache: string;
  readonly access: HubAccess;
  readonly patience: Patience;
  readonly options: HubOptions;
}

async function fetchAll(job: Job): Promise<Snapshot> {
  const { id, commit, files } = job;
  const repository = repositoryFolder(job.cache, id);
  const folder = join(repository, 'snapshots', commit);
  const chosen = chooseWeights(id, files, job.options.quantisation);
  if ('gguf' in chosen) await fetchFiles([chosen.gguf], job, repository, folder);
  else {
    const small = [CONFIG_FILE, GENERATION_FILE, ...TOKENIZER_FILES].filter((file) => files.includes(file));
    let weights = 'file' in chosen ? [chosen.file] : [];
    if ('index' in chosen) {
      await fetchFiles([chosen.index], job, repository, folder);
      const index = join(folder, chosen.index);
      weights = [...new Set(weightMap(await readJsonObject(index), index).values())].sort();
    }
    await fetchFiles([...small, ...weights], job, repository, folder);
    if (!files.includes('tokenizer.json')) {
      await writeSmall(join(repository, '.no_exist', commit, 'tokenizer.json'), '');
    }
  }
  // The name of the revision comes last: it makes the snapshot findable.
  if (job.revision !== commit) await writeSmall(join(repository, 'refs', ...job.revision.split('/')), commit);
  return { folder, commit, ...('gguf' in chosen ? { file: join(folder, chosen.gguf) } : {}) };
}

type Weights = { readonly file: string } | { readonly index: string } | { readonly gguf: string };

/**
 * The best weights of a repository: safetensors, else PyTorch's, else its one GGUF file; with a quantisation, the GGUF
 * file of that name. The same weights in other formats are not fetched.
 */
function chooseWeights(id: string, files: readonly string[], quantisation: string | undefined): Weights {
  const ggufs = files.filter((file) => file.endsWith('.gguf'));
  if (quantisation !== undefined) {
    const found = ggufs.filter((file) => isQuantisation(file, quantisation));
    if (found.length === 1) return { gguf: found[0]! };
    const which = found.length === 0 ? `no GGUF file of "${quantisation}"` : `several: ${found.join(', ')}`;
    const there = ggufs.length === 0 ? 'It has no GGUF files at all.' : `It has ${ggufs.join(', ')}.`;
    throw new DiffoError(`${id} has ${which}. ${there}`);
  }
  if (files.includes(CONFIG_FILE)) {
    if (files.includes(WEIGHTS_FILE)) return { file: WEIGHTS_FILE };
    if (files.includes(WEIGHTS_INDEX_FILE)) return { index: WEIGHTS_INDEX_FILE };
    if (files.includes(TORCH_FILE)) return { file: TORCH_FILE };
    if (files.includes(TORCH_INDEX_FILE)) return { index: TORCH_INDEX_FILE };
  }
  if (ggufs.length === 1) return { gguf: ggufs[0]! };
  if (ggufs.length > 1) {
    throw new DiffoError(`${id} has several GGUF files: ${ggufs.join(', ')}. Choose one, as in ${id}:Q8_0.`);
  }
  if (!files.includes(CONFIG_FILE))
    throw new DiffoError(`${id} is not a transformers model: it has no ${CONFIG_FILE}.`);
  throw new DiffoError(`${id} has neither ${WEIGHTS_FILE} nor ${TORCH_FILE} nor a GGUF file. Choose another model.`);
}

async function fetchFiles(paths: readonly string[], job: Job, repository: string, folder: string): Promise<void> {
  const { access, commit, id, options } = job;
  const infos = await pathsInfo({ ...access, repo: id, paths: [...paths], revision: commit });
  const found = paths.map((path) => describeFile(path, infos, job));
  const totalBytes = found.reduce((sum, file) => sum + file.size, 0);
  let before = 0;
  for (const file of found) {
    const onBytes = (bytes: number) =>
      options.onProgress?.({ file: file.path, receivedBytes: before + bytes, totalBytes });
    const blob = await storeBlob(file, join(repository, 'blobs'), {
      access,
      stall: job.patience.stall,
      signal: options.signal,
      onBytes,
    });
    await linkSnapshot(blob, join(folder, file.path));
    before += file.size;
  }
}

function describeFile(path: string, infos: readonly PathInfo[], { id, commit, access }: Job): HubFile {
  const info = infos.find((one) => one.path === path);
  const hash = info?.lfs?.oid ?? info?.oid;
  const size = info?.lfs?.size ?? info?.size;
  if (hash === undefined || size === undefined || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) {
    throw new HubUnreachable(access.hubUrl, `it gives no size and hash for ${path} of ${id}`);
  }
  return { repo: id, commit, path, size, hash };
}

async function writeSmall(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw fileError(error, dirname(path), 'make the folder');
  }
  await writeFileAtomic(path, text);
}

async function hubError(error: unknown, id: string, revision: string, access: HubAccess): Promise<unknown> {
  if (error instanceof DiffoError) return error;
  if (error instanceof HubApiError) return await refusal(error, id, revision, access);
  if (error instanceof SyntaxError || error instanceof InvalidApiResponseFormatError) {
    return new HubUnreachable(access.hubUrl, `its answer is not that of a hub (${error.message})`, error);
  }
  if (error instanceof TypeError && error.message === 'terminated') {
    return new HubUnreachable(access.hubUrl, networkReason(error), error);
  }
  return error;
}

async function refusal(error: HubApiError, id: string, revision: string, access: HubAccess): Promise<DiffoError> {
  const at = access.hubUrl;
  const cause = error;
  switch (error.statusCode) {
    case 401:
    case 404: {
      if (/invalid rev/i.test(error.message)) {
        return new DiffoError(`${at} has no revision "${revision}" of ${id}. Check the part after "@".`, { cause });
      }
      const hint = await similarModels(id, access);
      return new DiffoError(
        `${at} knows no model "${id}", or it is private (set HF_TOKEN then). Check the spelling.${hint}`,
        { cause },
      );
    }
    case 403:
      return new DiffoError(`${at} refuses ${id}: accept its conditions on ${at}/${id} and set HF_TOKEN.`, { cause });
    case 429:
      return new DiffoError(`${at} asks for fewer requests (status 429): wait a while, or set HF_TOKEN.`, { cause });
    default:
      return new HubUnreachable(at, `it answers with status ${error.statusCode}`, cause);
  }
}

/** Names on the hub that contain the wanted one's last part; the sentence is as good without them. */
async function similarModels(id: string, access: HubAccess): Promise<string> {
  const names: string[] = [];
  try {
    const query = id.split('/').at(-1) ?? id;
    for await (const model of listModels({ ...access, search: { query }, limit: 3 })) names.push(model.name);
  } catch {
    return '';
  }
  return names.length > 0 ? ` Did you mean ${names.join(' or ')}?` : '';
}
