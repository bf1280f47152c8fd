import { existsSync } from 'node:fs';
import { access, constants, lstat, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { ADAPTER_CONFIG_FILE } from '../../adapters/peft/index.js';
import { CHECKPOINTS_FOLDER, checkpointsOf } from '../../artifacts/checkpoints/format.js';
import { isComplete } from '../../artifacts/runOutput.js';
import { DiffoError } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import type { UploadFile } from '../../hub/difference.js';
import type { Reporter } from '../../reporter.js';
import { type PushableOutput, pushableOutputs } from './outputs.js';

/** A folder, and the flag that named it. */
export interface AskedFolder {
  readonly flag: PushableOutput['flag'];
  readonly path: string;
}

/** What of a folder is pushed. */
export interface PushedFiles {
  readonly output: PushableOutput;
  /** In the order of their paths. */
  readonly files: readonly UploadFile[];
  /** Names in the folder that stay here: hidden ones and checkpoints. */
  readonly leftOut: readonly string[];
}

const ADAPTER_FOLDER = 'adapter';
/** Names of what is being written, or was when its process ended. */
const unfinished = /^\..*\.partial-|\.diffora-part$/;
/** Of this program and of transformers' trainer. */
const isCheckpoint = (name: string) => name === CHECKPOINTS_FOLDER || /^checkpoint-\d+$/.test(name);

/**
 * The files of a folder that are to be pushed. Of a run folder the files of its adapter come to stand at the top, where
 * PEFT looks for them, beside run.json, dam.json and metrics.jsonl.
 *
 * @throws DiffoError for a folder that is nothing to push, is not finished, or has a link that leads out of it or nowhere
 */
export async function filesToPush({ flag, path }: AskedFolder, reporter: Reporter): Promise<PushedFiles> {
  const folder = await realpath(path).catch((error: unknown) => Promise.reject(fileError(error, path, 'read')));
  if (!(await stat(folder)).isDirectory()) throw new DiffoError(`${path} is a file. Give the folder that it is in.`);
  const run = join(folder, ADAPTER_FOLDER);
  const isRun = existsSync(run) && !existsSync(join(folder, ADAPTER_CONFIG_FILE));
  if (isRun && (await lstat(run)).isSymbolicLink()) {
    throw new DiffoError(`${run} is a link. Put the folder itself in its place, or push what the link leads to.`);
  }
  await refuseUnfinished(path, folder, isRun);
  const leftOut: string[] = [];
  const listed = [...(isRun ? await filesOf(run, leftOut) : []), ...(await filesOf(folder, leftOut, isRun))];
  const files = listed.sort((a, b) => (a.path < b.path ? -1 : 1));
  const twice = files.find(({ path }, i) => path === files[i + 1]?.path);
  if (twice !== undefined) {
    throw new DiffoError(`${path} has ${twice.path} in itself and in ${ADAPTER_FOLDER}/. Remove one of them.`);
  }
  const paths = files.map((file) => file.path);
  const output = pushableOutputs.find((one) => one.isIn(paths));
  if (output === undefined) {
    const looked = pushableOutputs.map(({ has }) => has);
    throw new DiffoError(`${path} is nothing that is pushed. Looked for ${looked.join('; ')}.`);
  }
  if (output.flag !== flag) throw new DiffoError(`${path} is ${output.has}. Push it with ${output.flag} ${path}`);
  await output.check(isRun ? run : folder, paths, reporter);
  return { output, files, leftOut: leftOut.sort() };
}

async function refuseUnfinished(path: string, folder: string, isRun: boolean): Promise<void> {
  if (unfinished.test(basename(folder))) {
    throw new DiffoError(`${path} is not finished: a process writes it, or has left it. Push what comes of it.`);
  }
  if ((isRun || existsSync(checkpointsOf(folder))) && !(await isComplete(folder))) {
    throw new DiffoError(
      `The run in ${path} has not ended: it has no run.json yet, or checkpoints to go on from. ` +
        `Wait for it, or end it with: diffora train --resume --output ${path}`,
    );
  }
}

/** All files below a folder; without what is in `adapter/` where that was listed. */
async function filesOf(folder: string, leftOut: string[], isRun = false): Promise<UploadFile[]> {
  const files: UploadFile[] = [];
  const walk = async (below: string): Promise<void> => {
    const entries = await readdir(join(folder, below), { withFileTypes: true }).catch((error: unknown) =>
      Promise.reject(fileError(error, join(folder, below), 'read')),
    );
    for (const entry of entries) {
      const { name } = entry;
      const source = join(folder, below, name);
      const path = below === '' ? name : `${below}/${name}`;
      if (unfinished.test(name)) {
        throw new DiffoError(
          `${source} is not finished: a process writes it, or has left it. Wait for its end, or remove it.`,
        );
      }
      if (isRun && path === ADAPTER_FOLDER) continue;
      if (name.startsWith('.') || isCheckpoint(name)) leftOut.push(path);
      else if (entry.isDirectory()) await walk(path);
      else files.push({ path, source, ...(await factsOf(source, folder)) });
    }
  };
  await walk('');
  return files;
}

/** Of a file that is in the folder and can be read. @throws DiffoError for what is none */
async function factsOf(source: string, folder: string): Promise<Pick<UploadFile, 'bytes' | 'changed'>> {
  if ((await lstat(source)).isSymbolicLink()) {
    const to = await readlink(source);
    const real = await realpath(source).catch(() => undefined);
    if (real === undefined) throw new DiffoError(`${source} is a link to ${to}, which is not there. Remove the link.`);
    if (!real.startsWith(folder + sep)) {
      throw new DiffoError(`${source} is a link to ${to}, out of the folder. Put the file itself in its place.`);
    }
  }
  try {
    const found = await stat(source);
    if (!found.isFile()) throw new DiffoError(`${source} is no file that could be pushed. Remove it from the folder.`);
    await access(source, constants.R_OK);
    return { bytes: found.size, changed: found.ctimeMs };
  } catch (error) {
    throw fileError(error, source, 'read');
  }
}
