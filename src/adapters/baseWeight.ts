import { readTensor } from '../checkpoint/safetensors.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';

/** W0 of a module as [out, in] row-major, however it lies in the file. */
export async function baseWeight(model: Model, module: AdaptableModule): Promise<Float32Array> {
  const values = await readTensor(backboneTensor(model, `${module.path}.weight`));
  return module.transposed === true ? transposed(values, module.inFeatures, module.outFeatures) : values;
}

/** b of a module [out]; undefined where it has none. */
export async function baseBias(model: Model, { path }: AdaptableModule): Promise<Float32Array | undefined> {
  const name = `${path}.bias`;
  return model.backbone.has(name) ? readTensor(backboneTensor(model, name)) : undefined;
}

/** [rows, columns] → [columns, rows] */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column]!;
  }
  return turned;
}
