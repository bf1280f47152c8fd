import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffoError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { isJsonObject, readJsonObject } from '../files/json.js';
import { readSafetensorsHeader, type SafetensorsHeader } from './safetensors.js';
import type { Checkpoint, StoredTensor } from './types.js';

export const CONFIG_FILE = 'config.json';
export const WEIGHTS_FILE = 'model.safetensors';
export const WEIGHTS_INDEX_FILE = 'model.safetensors.index.json';

/**
 * Opens a Hugging Face model folder: config.json and the header of model.safetensors, or of the shards that
 * model.safetensors.index.json names. Weights stay in their files, which are given by their real paths, since ONNX
 * Runtime takes external data from the real directory only.
 *
 * @param name what the user asked for, for messages and records; the folder by default
 * @throws DiffoError when the folder is no such checkpoint, saying which files were looked for
 */
export async function openCheckpoint(folder: string, name: string = folder): Promise<Checkpoint> {
  const real = await realFolder(folder);
  const files = new Set(await readdir(real).catch((error) => Promise.reject(fileError(error, folder, 'read'))));
  refuseOthers(folder, files);
  const config = await readJsonObject(join(real, CONFIG_FILE));
  const { tensors, metadata } = files.has(WEIGHTS_FILE)
    ? await readSafetensorsHeader(join(real, WEIGHTS_FILE))
    : await readShards(real);
  if (tensors.size === 0) throw new DiffoError(`${join(folder, WEIGHTS_FILE)} holds no tensors. Download it again.`);
  return { name, folder: real, config, tensors, metadata };
}

async function realFolder(folder: string): Promise<string> {
  try {
    if ((await stat(folder)).isDirectory()) return await realpath(folder);
  } catch (error) {
    throw fileError(error, folder, 'open the model folder');
  }
  throw new DiffoError(
    `${folder} is a file, not a model folder. Give the folder that holds ${CONFIG_FILE} and ${WEIGHTS_FILE}.`,
  );
}

/** Throws for a folder without config and weights; known other kinds of folder are named. */
function refuseOthers(folder: string, files: ReadonlySet<string>): void {
  const hasWeights = files.has(WEIGHTS_FILE) || files.has(WEIGHTS_INDEX_FILE);
  if (files.has(CONFIG_FILE) && hasWeights) return;
  if (files.has('adapter_config.json')) {
    throw new DiffoError(
      `${folder} is a PEFT adapter, not a model. Give its base model here, and the adapter with --adapter.`,
    );
  }
  const bin = [...files].find((file) => /^pytorch_model(-\d+-of-\d+)?\.bin$/.test(file));
  if (!hasWeights && bin !== undefined) {
    throw new DiffoError(
      `${folder} has its weights only as ${bin}, which is not supported yet. Convert it in Python: ` +
        '`m = AutoModel.from_pretrained(folder); m.save_pretrained(folder, safe_serialization=True)`.',
    );
  }
  const looked = `${CONFIG_FILE} and ${WEIGHTS_FILE} (or ${WEIGHTS_INDEX_FILE})`;
  const missing = files.has(CONFIG_FILE) ? WEIGHTS_FILE : hasWeights ? CONFIG_FILE : 'both';
  throw new DiffoError(`${folder} is not a model folder: it lacks ${missing}. Looked for ${looked}.`);
}

async function readShards(folder: string): Promise<SafetensorsHeader> {
  const indexPath = join(folder, WEIGHTS_INDEX_FILE);
  const shardOf = weightMap(await readJsonObject(indexPath), indexPath);
  const tensors = new Map<string, StoredTensor>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const shard of new Set(shardOf.values())) {
    const header = await readSafetensorsHeader(join(folder, shard));
    metadata = { ...header.metadata, ...metadata };
    for (const [name, tensor] of header.tensors) {
      if (shardOf.get(name) !== shard) {
        throw new DiffoError(
          `${join(folder, shard)} holds tensor "${name}", which ${WEIGHTS_INDEX_FILE} does not place there. Download the model again.`,
        );
      }
      tensors.set(name, tensor);
    }
  }
  const missing = [...shardOf].find(([name]) => !tensors.has(name));
  if (missing) {
    throw new DiffoError(
      `${join(folder, missing[1])} lacks tensor "${missing[0]}", which ${WEIGHTS_INDEX_FILE} places there. Download the model again.`,
    );
  }
  return { tensors, metadata };
}

/**
 * The `weight_map` of a shard index: tensor name to file name.
 *
 * @throws DiffoError when it is malformed, or a file name leads out of the folder
 */
export function weightMap(index: Readonly<Record<string, unknown>>, path: string): Map<string, string> {
  const map = index.weight_map;
  if (!isJsonObject(map) || Object.keys(map).length === 0) {
    throw new DiffoError(`${path} has no "weight_map" that says which file holds which tensor. Download it again.`);
  }
  const entries = Object.entries(map).map(([name, file]): [string, string] => {
    if (typeof file === 'string' && /^[\w][\w.-]*\.safetensors$/.test(file)) return [name, file];
    throw new DiffoError(
      `${path}: tensor "${name}" is placed in ${JSON.stringify(file)}, which is not the name of a safetensors file.`,
    );
  });
  return new Map(entries);
}
