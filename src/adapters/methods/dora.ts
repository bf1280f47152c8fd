import { DiffoError } from '../../errors.js';
import { ops, type Tensor } from '../../graph/index.js';
import type { Model } from '../../models/model.js';
import { baseWeight } from '../baseWeight.js';
import { fitRanks } from '../fit.js';
import { type LoraSettings, loraDefaults, loraSettings, usualLora } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import { loraSettingsOf, loraType } from '../peft/loraType.js';
import type { AdapterPlan, Placement, Where } from '../plan.js';
import { loraA, loraB, loraContents, loraFields, loraPlan } from './lora.js';
import { rsLoraPlan } from './rslora.js';

/** Name of a module's magnitudes m [out]. They are its own, also where it shares a pair. */
export const magnitude = (path: string) => `${path}.lora_magnitude_vector`;

/**
 * DoRA (arXiv 2402.09353, equation 5): W' = m · (W0 + s B A) / ‖W0 + s B A‖, the norm taken over the inputs of each
 * output and held constant in the gradient (section 4.3). m starts at ‖W0‖.
 */
export function doraPlan(
  settings: LoraSettings & { readonly stabilised?: boolean },
  where: Where,
  model: Model,
): AdapterPlan {
  const lora = settings.stabilised === true ? rsLoraPlan(settings, where, model) : loraPlan(settings, where, model);
  const embedding = lora.placements.find(({ module }) => module.isEmbedding === true);
  if (embedding !== undefined) {
    throw new DiffoError(
      `"use_dora" on the embeddings ${embedding.module.path} is not supported. Take plain LoRA there.`,
    );
  }
  const byPath = new Map(lora.placements.map((one) => [one.module.path, one]));
  return {
    ...lora,
    method: 'dora',
    tensors: [
      ...lora.tensors,
      ...lora.placements.map(({ module }) => ({ name: magnitude(module.path), shape: [module.outFeatures] })),
    ],
    async initial(opened, seed) {
      const values = new Map(await lora.initial(opened, seed));
      for (const { module } of lora.placements) {
        values.set(magnitude(module.path), rowNorms(await baseWeight(opened, module), module.inFeatures));
      }
      return values;
    },
    adapt(call, y, { parameters, dropout, gate, observe }) {
      const placement = byPath.get(call.path);
      if (placement === undefined) return y;
      if (gate !== undefined || observe !== undefined) throw new Error('DoRA has neither gates nor observers');
      const { module, pair, scaling } = placement;
      const [a, b] = [parameters.get(loraA(pair))!, parameters.get(loraB(pair))!];
      const norm = ops.stopGradient(adaptedNorms(call.weight, a, b, placement));
      const scale = ops.div(parameters.get(magnitude(module.path))!, norm);
      const x = dropout(call.x, settings.loraDropout ?? 0);
      const update = ops.matmul(ops.matmul(x, a, { transB: true }), b, { transB: true, alpha: scaling });
      const withBias = (out: Tensor) => (call.bias === undefined ? out : ops.add(out, call.bias));
      if (x === call.x) return withBias(ops.mul(ops.add(call.product, update), scale));
      // With dropout PEFT applies it to the whole difference from the base, W0 x included.
      const dropped = ops.matmul(x, call.weight, { transB: module.transposed !== true });
      const changed = ops.sub(ops.mul(ops.add(dropped, update), scale), dropped);
      return withBias(ops.add(call.product, changed));
    },
    mergedWeight(placement, base, values) {
      const { inFeatures } = placement.module;
      const sum = lora.mergedWeight!(placement, base, values);
      const norms = rowNorms(sum, inFeatures);
      const magnitudes = values(magnitude(placement.module.path));
      return sum.map((value, i) => {
        const row = Math.floor(i / inFeatures);
        return (value * magnitudes[row]!) / norms[row]!;
      });
    },
    save(_, values) {
      const contents = loraContents(lora.placements, settings, values);
      const modules = new Map(
        [...contents.modules].map(([path, tensors]) => {
          const name = magnitude(path);
          const data = values(name);
          return [path, { ...tensors, lora_magnitude_vector: { name, shape: [data.length], data } }];
        }),
      );
      return { ...contents, modules, fields: { ...loraFields(settings), use_dora: true } };
    },
  };
}

export const dora = {
  title: 'DoRA',
  source: 'arXiv 2402.09353',
  places: 'selected',
  settings: loraSettings,
  defaults: loraDefaults,
  usual: usualLora,
  plan: doraPlan,
  fit: fitRanks(doraPlan),
  format: {
    format: 'peft',
    type: loraType,
    reader: {
      matches: ({ use_dora }) => use_dora === true,
      plan: (adapter, where, model) => {
        const stabilised = adapter.fields.use_rslora === true;
        return doraPlan({ ...loraSettingsOf(adapter, where.own), stabilised }, where, model);
      },
    },
  },
} satisfies MethodOf<LoraSettings>;

/**
 * ‖W0 + s B A‖ for each output, [out]: √(‖w‖² + 2 s b·(W0 Aᵀ) + s² b (A Aᵀ) b), so that no matrix of the size of W0 is
 * made.
 */
function adaptedNorms(weight: Tensor, a: Tensor, b: Tensor, { module, scaling }: Placement): Tensor {
  const transposed = module.transposed === true;
  const squares = ops.sum(ops.mul(weight, weight), { axes: [transposed ? 0 : 1], keepDims: false });
  const crossed = ops.matmul(weight, a, { transA: transposed, transB: true, alpha: 2 * scaling });
  const own = ops.matmul(b, ops.matmul(a, a, { transB: true, alpha: scaling ** 2 }));
  const rest = ops.sum(ops.mul(b, ops.add(crossed, own)), { axes: [1], keepDims: false });
  return ops.sqrt(ops.add(squares, rest));
}

/** Euclidean norm of every row of [rows, columns]. */
export function rowNorms(values: Float32Array, columns: number): Float32Array {
  return Float32Array.from({ length: values.length / columns }, (_, row) => {
    let squares = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) squares += values[i]! ** 2;
    return Math.sqrt(squares);
  });
}
