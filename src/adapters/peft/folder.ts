import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffoError } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, OLD_WEIGHTS_FILE } from './names.js';

/** MLX's name for the weights of its adapters, whose adapter_config.json is no PEFT's. */
const mlxWeightsFile = 'adapters.safetensors';

/**
 * Name of the file that has an adapter's weights.
 * @throws DiffoError for a folder that is no adapter of PEFT's, and says what it is where that can be seen
 */
export async function weightsFileOf(folder: string): Promise<string> {
  const files = await filesOf(folder);
  const weights = [ADAPTER_WEIGHTS_FILE, OLD_WEIGHTS_FILE].find((file) => files.includes(file));
  if (files.includes(ADAPTER_CONFIG_FILE) && weights !== undefined) return weights;
  if (files.includes(mlxWeightsFile)) {
    throw new DiffoError(
      `${folder} is an adapter of MLX (${mlxWeightsFile}), which has other names and another configuration than PEFT's. Fuse it in MLX, and take the fused model.`,
    );
  }
  const adapters = await adaptersIn(folder, files);
  if (adapters.length > 0) {
    throw new DiffoError(
      `${folder} has no adapter of its own, but folders with one each: ${adapters.join(', ')}. Give one of them: ${join(folder, adapters[0]!)}.`,
    );
  }
  const missing = [
    ...(files.includes(ADAPTER_CONFIG_FILE) ? [] : [ADAPTER_CONFIG_FILE]),
    ...(weights === undefined ? [ADAPTER_WEIGHTS_FILE] : []),
  ];
  const hint = files.includes('adapter') ? ` Did you mean ${join(folder, 'adapter')}?` : '';
  throw new DiffoError(`${folder} is not an adapter folder: it lacks ${missing.join(' and ')}.${hint}`);
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new DiffoError(`${folder} is a file, not an adapter folder. Give the folder that holds it.`);
    }
    return (await readdir(folder)).sort();
  } catch (error) {
    throw fileError(error, folder, 'open the adapter folder');
  }
}

/** Folders in it that hold an adapter, as PEFT saves all but the one named `default`. */
async function adaptersIn(folder: string, files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of files) {
    if (name === 'adapter') continue;
    const inside = await readdir(join(folder, name)).catch((): string[] => []);
    if (inside.includes(ADAPTER_CONFIG_FILE)) found.push(name);
  }
  return found;
}
