import { DiffoError } from '../errors.js';
import { isJsonObject } from '../files/jsonText.js';

export const CONFIG_FILE = 'config.json';
export const GENERATION_FILE = 'generation_config.json';
export const WEIGHTS_FILE = 'model.safetensors';
export const WEIGHTS_INDEX_FILE = 'model.safetensors.index.json';
export const TORCH_FILE = 'pytorch_model.bin';
export const TORCH_INDEX_FILE = 'pytorch_model.bin.index.json';

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
    if (typeof file === 'string' && /^[\w][\w.-]*\.(safetensors|bin)$/.test(file)) return [name, file];
    throw new DiffoError(
      `${path}: tensor "${name}" is placed in ${JSON.stringify(file)}, which is not the name of a weights file.`,
    );
  });
  return new Map(entries);
}

/** True for a GGUF file whose name has the quantisation as a part of its own: `model-Q4_K_M.gguf` is Q4_K_M, not Q4_K. */
export function isQuantisation(file: string, quantisation: string): boolean {
  const parts = file.slice(0, -'.gguf'.length).toLowerCase().split(/[-./]/);
  return file.endsWith('.gguf') && parts.includes(quantisation.toLowerCase());
}
