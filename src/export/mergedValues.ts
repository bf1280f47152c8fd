import { mergedTensors } from '../adapters/mergedTensors.js';
import { readTensor } from '../checkpoint/safetensors.js';
import { backboneTensor } from '../models/weights.js';
import type { ExportSource } from './format.js';

/**
 * The values of a tensor with what the adapter makes of it.
 * @param name one of the model's backbone
 */
export async function mergedValues({ opened, plan, values }: ExportSource, name: string): Promise<Float32Array> {
  const { model } = opened;
  if (plan.replaced.includes(name)) return values(name);
  const [path, kind] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)];
  const changes = kind === 'weight' || (kind === 'bias' && plan.mergedBias !== undefined);
  const placement = changes ? plan.placements.find(({ module }) => module.path === path) : undefined;
  const merged = placement === undefined ? undefined : await mergedTensors(plan, model, placement, values);
  return merged?.get(name) ?? readTensor(backboneTensor(model, name));
}
