import { transposed } from '../checkpoint/transposed.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import { baseBias, baseWeight } from './baseWeight.js';
import type { AdapterPlan, Placement, TensorValues } from './plan.js';

/**
 * The tensors of a module that do what module and adapter do together, by name, as they lie in the checkpoint.
 * @throws Error for a plan that no weight can hold
 */
export async function mergedTensors(
  plan: AdapterPlan,
  model: Model,
  placement: Placement,
  values: TensorValues,
): Promise<Map<string, Float32Array>> {
  if (plan.mergedWeight === undefined) throw new Error(`no weight does what ${plan.method} does`);
  const { module } = placement;
  const { path, inFeatures, outFeatures } = module;
  const weight = plan.mergedWeight(placement, await baseWeight(model, module), values);
  const merged = new Map([
    [`${path}.weight`, module.transposed === true ? transposed(weight, outFeatures, inFeatures) : weight],
  ]);
  const bias = plan.mergedBias === undefined ? undefined : await baseBias(model, module);
  if (bias === undefined && plan.addsBias === true) {
    throw new DiffoError(
      `"lora_bias": ${path} of ${model.checkpoint.name} has no bias that could take up the adapter's. Predict with --adapter.`,
    );
  }
  if (bias !== undefined) merged.set(`${path}.bias`, plan.mergedBias!(placement, bias, values));
  return merged;
}
