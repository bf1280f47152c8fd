import { pathToFileURL } from 'node:url';
import { commit, createBranch, createRepo, HubApiError, modelInfo } from '@huggingface/hub';
import { DiffoError, usageError } from '../errors.js';
import { errorCode, fileError } from '../files/errors.js';
import { hubAccess, hubEndpoint, hubLogin, isOffline } from './access.js';
import { isCommit } from './cache.js';
import { differing, refuseChanged, type UploadFile } from './difference.js';
import type { HubOptions } from './download.js';
import { understood } from './errors.js';
import { DEFAULT_PATIENCE, type HubAccess, HubUnreachable, hubFetch } from './fetch.js';
import { uploadError } from './uploadErrors.js';

export interface UploadOptions extends Omit<HubOptions, 'onProgress'> {
  /** `owner/name`; made where there is none. */
  readonly repo: string;
  /** A repository that is made is private; one that is there has to be. */
  readonly private?: boolean | undefined;
  /** Made from the main branch where there is none; default: the main branch. */
  readonly branch?: string | undefined;
  /** First line of the commit. */
  readonly message: string;
  /** Bytes of large files that have been sent so far, and of all files that are sent. */
  readonly onBytes?: ((sent: number, total: number) => void) | undefined;
}

/** What was put on the hub. */
export interface Uploaded {
  /** The commit; undefined where the branch has all files already. */
  readonly commit?: string | undefined;
  /** Paths of the files in the commit: those that the branch did not have, or had with other content. */
  readonly sent: readonly string[];
  /** Page of what was uploaded. */
  readonly url: string;
}

/** As the hub has names of repositories (huggingface_hub, `validate_repo_id`). */
const repositoryName = /^\b[\w.-]+\b\/\b[\w.-]{1,96}\b$/;
/** Letters of a branch; git allows more, which no URL carries well. */
const branchName = /^(?!refs\/)[\w][\w.-]*(\/[\w][\w.-]*)*$/;

/** @throws DiffoError (usage) for a name that no repository, or no branch, can have on the hub */
export function checkUploadNames(repo: string, branch?: string): void {
  if (!repositoryName.test(repo) || /--|\.\.|\.git$/.test(repo)) {
    throw usageError(
      `--repo ${JSON.stringify(repo)} is not a name of the hub: it takes owner/name, of letters, digits, "-", "_" and ".".`,
    );
  }
  if (branch !== undefined && (!branchName.test(branch) || /\.\.|\.lock$|\.$/.test(branch))) {
    throw usageError(
      `--revision ${JSON.stringify(branch)} is not a name of a branch. Take letters, digits, "-" and "_".`,
    );
  }
}

type Access = HubAccess & { readonly accessToken: string };

/**
 * Puts files into a model repository of the hub as one commit: all of them are there, or none. Files that the branch has
 * already are not sent, and there is no commit where it has all. Large ones go by Git LFS, as the hub says which those
 * are. A commit that somebody else makes meanwhile, or a file that changes, ends in an error.
 *
 * Plain LFS instead of Xet, as with downloads: streams whose deadlines and cancelling are ours.
 *
 * @throws DiffoError where there is no token, the hub refuses, a file cannot be read or has changed, or the connection breaks
 */
export async function uploadFiles(files: readonly UploadFile[], options: UploadOptions): Promise<Uploaded> {
  const { env, signal, repo, branch = 'main', onBytes, patience = DEFAULT_PATIENCE } = options;
  checkUploadNames(repo, branch);
  const hubUrl = hubEndpoint(env);
  let [sent, total, isCommitting] = [0, 0, false];
  const onSent = (count: number, method: string) => {
    if (method !== 'PUT') return;
    sent += count;
    onBytes?.(sent, total);
  };
  const fetch = hubFetch(hubUrl, patience, signal, hubLogin(env), onSent);
  const access = withToken(await hubAccess(hubUrl, fetch, env), env);
  const url = `${hubUrl}/${repo}${branch === 'main' ? '' : `/tree/${branch}`}`;
  try {
    await makeRepository(access, options);
    const parent = (await headOf(access, repo, branch)) ?? (await newBranch(access, repo, branch));
    const differ = await differing(files, repo, parent, access, signal);
    await refuseChanged(files);
    if (differ.length === 0) return { sent: [], url };
    total = differ.reduce((sum, file) => sum + file.bytes, 0);
    onBytes?.(0, total);
    // Whole by now: what was read of the files is in its body, and large ones have arrived.
    const beforeCommit = async () => {
      await refuseChanged(files);
      isCommitting = true;
    };
    const made = await commitFiles(differ, { ...options, branch }, parent, access, beforeCommit);
    return { commit: made, sent: differ.map(({ path }) => path), url };
  } catch (error) {
    signal?.throwIfAborted();
    if (!isCommitting && !(error instanceof DiffoError && !(error instanceof HubUnreachable))) {
      // A file that changes while it is read breaks its upload in other words.
      await refuseChanged(files);
    }
    throw uploadError(error, { repo, branch: options.branch, access, isCommitting });
  }
}

/** @returns the commit that was made */
async function commitFiles(
  files: readonly UploadFile[],
  { repo, branch, message, signal }: UploadOptions & { readonly branch: string },
  parentCommit: string,
  access: Access,
  beforeCommit: () => Promise<void>,
): Promise<string> {
  const commitUrl = `${access.hubUrl}/api/models/${repo}/commit/`;
  const fetch: typeof globalThis.fetch = async (input, init) => {
    if (String(input).startsWith(commitUrl)) await beforeCommit();
    return access.fetch(input, init);
  };
  const operations = files.map(({ path, source }) => ({
    operation: 'addOrUpdate' as const,
    path,
    content: pathToFileURL(source),
  }));
  const made = await understood(access, () =>
    commit({
      ...access,
      fetch,
      repo: { type: 'model', name: repo },
      operations,
      title: message,
      branch,
      parentCommit,
      ...(signal === undefined ? {} : { abortSignal: signal }),
      useXet: false,
    }).catch((error: unknown) => {
      const path = (error as NodeJS.ErrnoException).path;
      throw errorCode(error) !== undefined && path !== undefined ? fileError(error, path, 'read') : error;
    }),
  );
  return made!.commit.oid;
}

/** The commit that a branch is at; undefined where there is none of that name. */
async function headOf(access: Access, name: string, revision: string): Promise<string | undefined> {
  const ask = () => modelInfo({ ...access, name, revision, additionalFields: ['sha'] });
  const found = await understood(access, ask).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found === undefined || isCommit(found.sha)) return found?.sha;
  throw new HubUnreachable(access.hubUrl, 'its answer names no commit, as that of a hub does');
}

/** Makes a branch from the main one. @returns the commit that it is at */
async function newBranch(access: Access, name: string, branch: string): Promise<string> {
  await unlessThere(understood(access, () => createBranch({ ...access, repo: { type: 'model', name }, branch })));
  const head = await headOf(access, name, branch);
  if (head !== undefined) return head;
  throw new DiffoError(`${access.hubUrl} has no branch "${branch}" of ${name} although it was made. Push again.`);
}

/** @throws DiffoError where nothing may be sent, or nobody says in whose name */
function withToken(access: HubAccess, env: HubOptions['env']): Access {
  if (isOffline(env)) {
    throw new DiffoError('HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so nothing is sent. Unset it to push.');
  }
  const { accessToken, hubUrl } = access;
  if (accessToken) return { ...access, accessToken };
  throw new DiffoError(
    `There is no token to push with. Make one with the role "write" on ${hubUrl}/settings/tokens and set HF_TOKEN, or log in with "hf auth login".`,
  );
}

/** Makes the repository where there is none, and holds one that is there to `private`. */
async function makeRepository(access: Access, { repo, private: isPrivate = false }: UploadOptions): Promise<void> {
  const found = await understood(access, () => modelInfo({ ...access, name: repo })).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found === undefined) {
    const visibility = isPrivate ? ({ visibility: 'private' } as const) : {};
    const making = understood(access, () =>
      createRepo({ ...access, repo: { type: 'model', name: repo }, ...visibility }),
    );
    // With --private nobody says whether one that came in between is.
    await (isPrivate ? making : unlessThere(making));
  } else if (isPrivate && !found.private) {
    throw new DiffoError(
      `${access.hubUrl}/${repo} is there and public, and --private makes new repositories private alone. ` +
        'Make it private in its settings, or leave --private away.',
    );
  }
}

/** The hub says 401 of what a token does not see, too. */
function isMissing(error: unknown): boolean {
  if (!(error instanceof HubApiError)) return false;
  return error.statusCode === 404 || (error.statusCode === 401 && /not found/i.test(error.message));
}

/** Makes something, and takes it that it is there. */
async function unlessThere(making: Promise<unknown>): Promise<void> {
  await making.catch((error: unknown) => {
    if (!(error instanceof HubApiError) || error.statusCode !== 409) throw error;
  });
}
