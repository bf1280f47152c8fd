import * as z from 'zod';
import { ops } from '../../graph/index.js';
import { randomStream } from '../../random.js';
import { loraSettings } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import { commonFields, honoured, idle, type PeftType, refused, targetFields } from '../peft/type.js';
import type { AdapterPlan, Placement, TensorValues, Where } from '../plan.js';
import { loraPlan, withProduct } from './lora.js';

export interface VeraSettings {
  readonly rank: number;
  readonly loraDropout?: number | undefined;
  /** First value of every d. */
  readonly veraInitial: number;
}

/** The projections that all modules share: A [rank, widest input], B [widest output, rank]. */
const projectionA = 'vera_A';
const projectionB = 'vera_B';
const lambdaD = (path: string) => `${path}.vera_lambda_d`;
const lambdaB = (path: string) => `${path}.vera_lambda_b`;

/**
 * VeRA (arXiv 2310.11454, equation 2): h = W0 x + b + Λ_b B Λ_d A x, with A and B random, frozen and shared by all
 * modules, each of which takes the first of their columns and rows. Trained are d [rank] and b [out]; b starts at 0.
 */
export function veraPlan(settings: VeraSettings, where: Where): AdapterPlan {
  const { rank, veraInitial, loraDropout = 0 } = settings;
  const modules = [...where.own, ...where.shared];
  const largestRank = Math.min(rank, ...modules.map((one) => Math.min(one.inFeatures, one.outFeatures)));
  // A rank above the width is allowed here: the projections are not trained. LoRA's plan checks the rest.
  const { replaced, placements: places } = loraPlan(
    { rank: largestRank, alpha: largestRank },
    { own: modules, shared: [] },
  );
  const placements: Placement[] = places.map((one) => ({ ...one, rank, alpha: 1, scaling: 1 }));
  const byPath = new Map(placements.map((one) => [one.module.path, one]));
  const inputs = Math.max(...modules.map(({ inFeatures }) => inFeatures));
  const outputs = Math.max(...modules.map(({ outFeatures }) => outFeatures));
  return {
    method: 'vera',
    placements,
    replaced,
    tensors: [
      { name: projectionA, shape: [rank, inputs], frozen: true },
      { name: projectionB, shape: [outputs, rank], frozen: true },
      ...placements.flatMap(({ module }) => [
        { name: lambdaD(module.path), shape: [rank] },
        { name: lambdaB(module.path), shape: [module.outFeatures] },
      ]),
    ],
    async initial(_, seed) {
      const values = new Map([
        [projectionA, kaimingUniform(rank, inputs, seed, projectionA)],
        [projectionB, kaimingUniform(outputs, rank, seed, projectionB)],
      ]);
      for (const { module } of placements) {
        values.set(lambdaD(module.path), new Float32Array(rank).fill(veraInitial));
        values.set(lambdaB(module.path), new Float32Array(module.outFeatures));
      }
      return values;
    },
    adapt(call, y, graph) {
      const placement = byPath.get(call.path);
      if (placement === undefined) return y;
      const { path, inFeatures, outFeatures } = placement.module;
      const at = (name: string) => graph.parameters.get(name)!;
      const a = ops.slice(at(projectionA), { axis: 1, start: 0, length: inFeatures });
      const b = ops.slice(at(projectionB), { axis: 0, start: 0, length: outFeatures });
      const reduced = ops.mul(ops.matmul(graph.dropout(call.x, loraDropout), a, { transB: true }), at(lambdaD(path)));
      return ops.add(y, ops.mul(ops.matmul(reduced, b, { transB: true }), at(lambdaB(path))));
    },
    mergedWeight(placement, base, values) {
      const { a, b } = scaledProjections(placement, values, inputs);
      return withProduct(base, placement, a, b);
    },
    save: (_, values) => ({
      format: 'peft',
      type: veraType,
      rank,
      alpha: 1,
      rankPattern: {},
      alphaPattern: {},
      modules: new Map(
        placements.map(({ module: { path, outFeatures } }) => [
          path,
          {
            vera_lambda_b: { name: lambdaB(path), shape: [outFeatures], data: values(lambdaB(path)) },
            vera_lambda_d: { name: lambdaD(path), shape: [rank], data: values(lambdaD(path)) },
          },
        ]),
      ),
      shared: [
        { name: projectionA, shape: [rank, inputs], data: values(projectionA) },
        { name: projectionB, shape: [outputs, rank], data: values(projectionB) },
      ],
      fields: { vera_dropout: loraDropout, d_initial: veraInitial, save_projection: true },
    }),
  };
}

const veraType: PeftType = {
  name: 'VERA',
  fields: {
    ...commonFields,
    bias: honoured('none', ['all', 'vera_only']),
    d_initial: idle(0.1),
    fan_in_fan_out: targetFields.fan_in_fan_out,
    init_weights: idle(true),
    layers_pattern: honoured(),
    layers_to_transform: honoured(),
    modules_to_save: honoured(),
    projection_prng_key: idle(0),
    r: honoured(256),
    save_projection: refused(true, [], 'The projections would have to be drawn as PyTorch draws them: save them too.'),
    target_modules: honoured(),
    vera_dropout: honoured(0),
  },
  rankField: 'r',
  hasAlpha: false,
  hasRankPattern: false,
  tensors: () => ({ vera_lambda_b: ['out'], vera_lambda_d: ['rank'] }),
  shared: { vera_A: ['rank', 'in'], vera_B: ['out', 'rank'] },
};

export const vera = {
  title: 'VeRA',
  source: 'arXiv 2310.11454',
  places: 'targets',
  settings: {
    rank: loraSettings.rank,
    loraDropout: loraSettings.loraDropout,
    veraInitial: z.number().default(0.1).describe('first value of d'),
  },
  usual: { lr: 1e-2, rank: 256 },
  plan: veraPlan,
  format: {
    format: 'peft',
    type: veraType,
    reader: {
      matches: () => true,
      plan: ({ rank, fields }, where) =>
        veraPlan({ rank, veraInitial: 0.1, loraDropout: Number(fields.vera_dropout ?? 0) }, where),
    },
  },
} satisfies MethodOf<VeraSettings>;

/** Uniform in ±√(6 / columns), as PEFT draws them. */
function kaimingUniform(rows: number, columns: number, seed: number, name: string): Float32Array {
  const stream = randomStream(seed, 'vera', name);
  const bound = Math.sqrt(6 / columns);
  return Float32Array.from({ length: rows * columns }, () => (2 * stream.uniform() - 1) * bound);
}

/** Λ_d A [rank, in] and Λ_b B [out, rank] of a module. */
function scaledProjections({ module, rank }: Placement, values: TensorValues, inputs: number) {
  const { path, inFeatures, outFeatures } = module;
  const [d, b] = [values(lambdaD(path)), values(lambdaB(path))];
  const [projectedIn, projectedOut] = [values(projectionA), values(projectionB)];
  const index = (i: number, width: number) => [Math.floor(i / width), i % width] as const;
  return {
    a: Float32Array.from({ length: rank * inFeatures }, (_, i) => {
      const [row, column] = index(i, inFeatures);
      return d[row]! * projectedIn[row * inputs + column]!;
    }),
    b: Float32Array.from({ length: outFeatures * rank }, (_, i) => b[Math.floor(i / rank)]! * projectedOut[i]!),
  };
}
