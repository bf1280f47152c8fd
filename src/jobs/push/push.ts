import { usageError } from '../../errors.js';
import type { Environment } from '../../files/caches.js';
import type { UploadFile } from '../../hub/difference.js';
import type { Patience } from '../../hub/fetch.js';
import { checkUploadNames, type Uploaded, uploadFiles } from '../../hub/upload.js';
import type { Phase } from '../../progress.js';
import { type ProgressOptions, silent } from '../../reporter.js';
import { type AskedFolder, filesToPush } from './files.js';
import { licensed } from './licensed.js';

/** What `diffora push` puts on the hub. */
export interface PushOptions extends ProgressOptions {
  /** A run folder or an adapter folder; this or `exported`. */
  readonly adapter?: string | undefined;
  /** What `merge` or `export` has written. */
  readonly exported?: string | undefined;
  /** `owner/name`; made where there is none. */
  readonly repo: string;
  /** Makes the repository a private one. One that is there and public is refused. */
  readonly private?: boolean | undefined;
  /** Branch, made where there is none; default: `main`. */
  readonly revision?: string | undefined;
  /** First line of the commit. */
  readonly message?: string | undefined;
  /** The hub's name of a licence, such as `apache-2.0`, for the metadata of the model card. */
  readonly license?: string | undefined;
  /** Only what would be sent; nobody is asked. */
  readonly dryRun?: boolean | undefined;
  /** `process.env` by default. */
  readonly env?: Environment | undefined;
  /** How long to wait for the hub; default: 8 s for its first answer, a minute after that. */
  readonly patience?: Patience | undefined;
}

/** What was pushed. */
export interface Pushed {
  readonly repo: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** Of all files. */
  readonly bytes: number;
  /** Names in the folder that stayed here: hidden ones and checkpoints. */
  readonly leftOut: readonly string[];
  /** Paths in the commit: files that the branch did not have, or had with other content. Empty with `dryRun`. */
  readonly sent: readonly string[];
  /** The commit on the hub; undefined where the branch had all files, and with `dryRun`. */
  readonly commit?: string | undefined;
  /** Page of the branch; undefined with `dryRun`. */
  readonly url?: string | undefined;
}

const megabyte = 1e6;

/**
 * `diffora push`: a folder as one commit in a model repository of the Hugging Face hub. The token is where downloads have
 * it: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file of `hf auth login`.
 * @throws DiffoError (usage) for names that the hub does not have; DiffoError for a folder that is nothing to push or not
 *   finished, without a token, where the hub refuses, and where the connection breaks
 */
export async function pushToHub(options: PushOptions): Promise<Pushed> {
  const { repo, revision: branch, license, reporter = silent } = options;
  checkUploadNames(repo, branch);
  if (license !== undefined && !/^[a-z0-9][a-z0-9.-]*$/.test(license)) {
    throw usageError(
      `--license ${JSON.stringify(license)} is not a name that the hub has for a licence. Take one such as apache-2.0, mit or other.`,
    );
  }
  const { output, files, leftOut } = await filesToPush(askedFolder(options), reporter);
  return licensed(files, license, async (files) => {
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const pushed = { repo, files: files.map(({ path, bytes }) => ({ path, bytes })), bytes, leftOut };
    if (options.dryRun === true) return { ...pushed, sent: [] };
    const message = options.message ?? `Upload ${output.name} with diffora`;
    return { ...pushed, ...(await upload(files, branch, message, options)) };
  });
}

function askedFolder({ adapter, exported }: PushOptions): AskedFolder {
  if (adapter !== undefined && exported === undefined) return { flag: '--adapter', path: adapter };
  if (exported !== undefined && adapter === undefined) return { flag: '--export', path: exported };
  throw usageError(
    'Name what is to be pushed: --adapter with a run or an adapter, or --export with what merge or export has written.',
  );
}

async function upload(
  files: readonly UploadFile[],
  branch: string | undefined,
  message: string,
  { repo, private: isPrivate, reporter = silent, signal, env = process.env, patience }: PushOptions,
): Promise<Uploaded> {
  let phase: Phase | undefined;
  const onBytes = (sent: number, total: number) => {
    phase ??= reporter.phase('upload (MB)', Math.ceil(total / megabyte));
    phase.update(Math.floor(Math.min(sent, total) / megabyte));
  };
  try {
    return await uploadFiles(files, { repo, private: isPrivate, branch, message, env, signal, patience, onBytes });
  } finally {
    phase?.end();
  }
}
