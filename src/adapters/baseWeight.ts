import { tensorValues } from '../checkpoint/tensorValues.js';
import { transposed } from '../checkpoint/transposed.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';

/** W0 of a module as [out, in] row-major, however it lies in the file. */
export async function baseWeight(model: Model, module: AdaptableModule): Promise<Float32Array> {
  const values = await tensorValues(model.checkpoint, backboneTensor(model, `${module.path}.weight`));
  return module.transposed === true ? transposed(values, module.inFeatures, module.outFeatures) : values;
}

/** b of a module [out]; undefined where it has none. */
export async function baseBias(model: Model, { path }: AdaptableModule): Promise<Float32Array | undefined> {
  const name = `${path}.bias`;
  return model.backbone.has(name) ? tensorValues(model.checkpoint, backboneTensor(model, name)) : undefined;
}
