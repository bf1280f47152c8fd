import { readTensor } from '../checkpoint/safetensors.js';
import type { Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';
import { mergedTensors } from './mergedTensors.js';
import type { AdapterPlan, Placement, TensorValues } from './plan.js';
import { isOutputUntied } from './untiedOutput.js';

/** The tensors of a model with an adapter in them, a tensor at a time. */
export interface FoldedWeights {
  /** Shapes of the backbone's tensors by name, a tied output among them where it needs a tensor of its own. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
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
  const kinds = ['weight', ...(plan.mergedBias === undefined ? [] : ['bias'])];
  const placed = new Map<string, Placement>(
    (plan.mergedWeight === undefined ? [] : plan.placements).flatMap((placement) =>
      kinds.map((kind) => [`${placement.module.path}.${kind}`, placement] as const),
    ),
  );
  const names = [...model.backbone.keys(), ...(isOutputUntied(plan, model) ? model.tied.keys() : [])];
  return {
    shapes: new Map(names.map((name) => [name, backboneTensor(model, name).shape])),
    async read(name) {
      const placement = placed.get(name);
      const merged = placement && (await mergedTensors(plan, model, placement, values)).get(name);
      return merged ?? parameters.get(name) ?? readTensor(backboneTensor(model, name));
    },
  };
}

/** A module whose adapter no weight can hold, since it adds to a bias that the module lacks. */
export function unfoldable({ addsBias, placements }: AdapterPlan, model: Model): string | undefined {
  if (addsBias !== true) return undefined;
  return placements.find(({ module }) => !model.backbone.has(`${module.path}.bias`))?.module.path;
}
