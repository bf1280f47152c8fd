import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensorsHeader, readTensor } from '../../checkpoint/safetensors.js';
import { DiffoError } from '../../errors.js';
import { errorCode, fileError } from '../../files/errors.js';
import { isJsonObject } from '../../files/json.js';
import type { FoundStage } from '../../state.js';
import {
  checkpointFormat,
  checkpointName,
  fileSha256,
  MANIFEST_FILE,
  type Manifest,
  manifestChecksum,
  manifestSchema,
  STATE_FILE,
  stateFileSchema,
  stepOf,
  TENSORS_FILE,
} from './format.js';

/** A checkpoint as it was read. */
export interface Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  readonly stages: ReadonlyMap<string, FoundStage>;
}

/** Why a checkpoint cannot be used. */
class Unusable extends Error {}

/** Steps of the checkpoints in a folder, the newest first; none where there is no such folder. */
export async function savedSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error): string[] => {
    if (errorCode(error) === 'ENOENT') return [];
    throw fileError(error, folder, 'read');
  });
  return names
    .map(stepOf)
    .filter((step) => step !== undefined)
    .sort((a, b) => b - a);
}

/**
 * The newest checkpoint whose files are what its manifest says. Newer ones that are not are warned of by name.
 * @returns undefined where there is none at all
 * @throws DiffoError when there are some and none can be used, or when they are of another format
 */
export function newestCheckpoint(folder: string, warn: (message: string) => void): Promise<Checkpoint | undefined> {
  return newest(folder, warn, readCheckpoint);
}

/** The manifest of the newest checkpoint that has a readable one. */
export function newestManifest(folder: string): Promise<Manifest | undefined> {
  return newest(folder, () => {}, readManifest);
}

async function newest<T>(
  folder: string,
  warn: (message: string) => void,
  read: (path: string) => Promise<T>,
): Promise<T | undefined> {
  const steps = await savedSteps(folder);
  for (const [i, step] of steps.entries()) {
    const path = join(folder, checkpointName(step));
    try {
      return await read(path);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      const older = steps[i + 1];
      if (older === undefined) {
        throw new DiffoError(
          `Nothing usable is saved in ${folder}: ${error.message}. Start again from the beginning with --overwrite.`,
        );
      }
      warn(`${error.message}; going on from ${checkpointName(older)} before it.`);
    }
  }
  return undefined;
}

async function readCheckpoint(path: string): Promise<Checkpoint> {
  const manifest = await readManifest(path);
  for (const { name, bytes, sha256 } of manifest.files) {
    const file = join(path, name);
    const found = await stat(file).catch((error) => {
      throw new Unusable(`${file} cannot be read (${errorCode(error)})`);
    });
    if (found.size !== bytes) throw new Unusable(`${file} has ${found.size} bytes and should have ${bytes}`);
    const hash = await fileSha256(file).catch((error) => {
      throw new Unusable(`${file} cannot be read (${errorCode(error)})`);
    });
    if (hash !== sha256) throw new Unusable(`${file} is damaged: its checksum is not that of the manifest`);
  }
  const { stages } = stateFileSchema.parse(JSON.parse(await readFile(join(path, STATE_FILE), 'utf8')));
  const arrays = new Map(Object.keys(stages).map((name): [string, Record<string, Float32Array>] => [name, {}]));
  const { tensors } = await readSafetensorsHeader(join(path, TENSORS_FILE));
  for (const tensor of tensors.values()) {
    const slash = tensor.name.indexOf('/');
    arrays.get(tensor.name.slice(0, slash))![tensor.name.slice(slash + 1)] = await readTensor(tensor);
  }
  const found = Object.entries(stages).map(([name, { step, last, values }]): [string, FoundStage] => {
    return [name, { step, last, state: { arrays: arrays.get(name)!, values } }];
  });
  return { path, manifest, stages: new Map(found) };
}

async function readManifest(path: string): Promise<Manifest> {
  const file = join(path, MANIFEST_FILE);
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    const code = errorCode(error);
    throw new Unusable(code === undefined ? `${file} is damaged: it is not JSON` : `${file} cannot be read (${code})`);
  }
  if (!isJsonObject(manifest) || manifest.checksum !== manifestChecksum(manifest)) {
    throw new Unusable(`${file} is damaged: its checksum is wrong`);
  }
  if (manifest.format !== checkpointFormat) {
    throw new DiffoError(
      `${file} is of the format ${manifest.format}, and this diffora reads ${checkpointFormat}. Resume with the version of diffora that wrote it, or start again with --overwrite.`,
    );
  }
  return manifestSchema.parse(manifest);
}
