import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';
import type { PlacedAdapter } from './fromPeft.js';
import type { PlainAdapter } from './plainFolder.js';
import { adapterMethods, plainFormatOf } from './registry.js';

/**
 * The plan and the values of an adapter in diffora's own format.
 * @throws DiffoError when adapter and model do not belong together
 */
export function planFromPlain(adapter: PlainAdapter, model: Model, folder: string): PlacedAdapter {
  const plan = plainFormatOf(adapter.method).plan(adapter.settings, model);
  const expected = [
    ...plan.tensors,
    ...plan.replaced.map((name) => ({ name, shape: backboneTensor(model, name).shape })),
  ];
  const found = new Map([...adapter.adapter, ...adapter.replaced].map((one) => [one.name, one]));
  for (const { name, shape } of expected) {
    const tensor = found.get(name);
    if (`${tensor?.shape}` === `${shape}`) continue;
    const what = tensor === undefined ? `lacks ${name}` : `has ${name} [${tensor.shape}]`;
    throw new DiffoError(
      `${folder} ${what}; ${adapterMethods[adapter.method].title} of ${model.checkpoint.name} needs it as [${shape}].`,
    );
  }
  if (found.size !== expected.length) {
    const extra = [...found.keys()].find((name) => !expected.some((one) => one.name === name));
    throw new DiffoError(`${folder} holds ${extra}, which is nothing of ${model.checkpoint.name}.`);
  }
  return { plan, values: new Map([...found].map(([name, { data }]) => [name, data])) };
}
