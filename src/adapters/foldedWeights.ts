import { readTensor } from '../checkpoint/safetensors.js';
import type { Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';
import { mergedTensors } from './mergedTensors.js';
import type { AdapterPlan, Placement, TensorValues } from './plan.js';

/** The tensors of a model with an adapter in them, a tensor at a time. */
export interface FoldedWeights {
  /** Float32 values as they lie in the checkpoint: of the backbone, the head, or the adapter's own layers. */
  read(name: string): Promise<Float32Array>;
}

/**
 * The weights that do what model and adapter do together. What no weight can hold (bottlenecks) stays the graph's to
 * compute, from the adapter's own tensors.
 * @param parameters values of the plan's tensors, of what it replaces, and of the head, by name
 */
export function foldedWeights(
  plan: AdapterPlan,
  model: Model,
  parameters: ReadonlyMap<string, Float32Array>,
): FoldedWeights {
  const values: TensorValues = (name) => parameters.get(name)!;
  const placed = new Map<string, Placement>(
    (plan.mergedWeight === undefined ? [] : plan.placements).flatMap((placement) => [
      [`${placement.module.path}.weight`, placement] as const,
      [`${placement.module.path}.bias`, placement] as const,
    ]),
  );
  return {
    async read(name) {
      const placement = placed.get(name);
      const merged = placement && (await mergedTensors(plan, model, placement, values)).get(name);
      return merged ?? parameters.get(name) ?? readTensor(backboneTensor(model, name));
    },
  };
}
