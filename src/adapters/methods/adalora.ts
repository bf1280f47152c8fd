import * as z from 'zod';
import { elementCount } from '../../checkpoint/dtype.js';
import { usageError } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';
import { constant, ops, type Tensor } from '../../graph/index.js';
import type { Model } from '../../models/model.js';
import { randomStream } from '../../random.js';
import { type BudgetSchedule, checkSchedule, rankAllocation } from '../adaloraBudget.js';
import type { PeftContents } from '../contents.js';
import { type LoraSettings, loraDefaults, loraSettings, usualLora } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import { loraSettingsOf, loraType } from '../peft/loraType.js';
import { rankOf } from '../peft/ranks.js';
import { honoured, idle, type PeftType, refused } from '../peft/type.js';
import {
  type AdapterPlan,
  type AdapterTensor,
  distinctPairs,
  type Placement,
  type TensorValues,
  type Where,
} from '../plan.js';
import { tooSmall } from '../tooSmall.js';
import { type LoraVariant, loraA, loraB, loraFields, loraPlan, withProduct } from './lora.js';

export interface AdaLoraSettings extends LoraSettings {
  /** `rank` is the average rank that is left at the end, this the rank of every module at the start. */
  readonly adaloraInitRank: number;
  /** Steps before the budget falls, and those at its end in which it stands still. Default: 10 % and 50 %. */
  readonly adaloraTinit?: number | undefined;
  readonly adaloraTfinal?: number | undefined;
  /** Steps between two allocations. */
  readonly adaloraDeltaT: number;
  readonly adaloraBeta1: number;
  readonly adaloraBeta2: number;
  /** Weight of the orthogonality term. */
  readonly adaloraOrthogonality: number;
}

/** Name of a pair's singular values Λ [rank, 1]. */
export const loraE = (pair: string) => `${pair}.lora_E`;

/** As in PEFT, which divides by the rank plus this. */
const rankEpsilon = 1e-5;

/**
 * AdaLoRA (arXiv 2303.10512): h = W0 x + b + alpha / rank · P Λ Q x with Λ diagonal. In PEFT's terms Q is lora_A, Λ
 * lora_E and P lora_B, and the rank in the scale is that of the start. All modules start with `adaloraInitRank` and
 * give up the least important ranks until `rank` a module are left on average.
 */
export function adaLoraPlan(settings: AdaLoraSettings, where: Where, model: Model): AdapterPlan {
  const { adaloraInitRank: initRank, rank } = settings;
  if (initRank < rank) {
    throw usageError(
      `--adalora-init-rank ${initRank} is less than --rank ${rank}: AdaLoRA starts with more ranks than it keeps.`,
    );
  }
  // Which module has which rank is what the method learns.
  const level = { ...settings, rank: initRank, ranks: undefined, alphas: undefined };
  const lora = loraPlan(level, where, model, variant(initRank));
  const triplets = tripletPlan(lora, settings.adaloraOrthogonality, settings.loraDropout);
  const pairs = [...new Set(lora.placements.map(({ pair }) => pair))];
  const schedule = (totalSteps: number): BudgetSchedule => ({
    initial: initRank * pairs.length,
    target: rank * pairs.length,
    totalSteps,
    warmup: settings.adaloraTinit ?? Math.round(0.1 * totalSteps),
    final: settings.adaloraTfinal ?? Math.round(0.5 * totalSteps),
    interval: settings.adaloraDeltaT,
  });
  return {
    ...triplets,
    control(totalSteps) {
      const plan = schedule(totalSteps);
      checkSchedule(plan);
      const names = pairs.map((pair) => ({ a: loraA(pair), b: loraB(pair), e: loraE(pair) }));
      return rankAllocation(names, plan, { beta1: settings.adaloraBeta1, beta2: settings.adaloraBeta2 });
    },
    keptSize: (values) =>
      lora.placements.reduce((total, { module: { inFeatures, outFeatures }, pair }) => {
        const ranks = values(loraE(pair)).filter((value) => value !== 0).length;
        return total + ranks * (inFeatures + outFeatures + 1);
      }, 0),
    save(_, values, { totalSteps }) {
      const plan = schedule(totalSteps);
      const kept = (pair: string) => Array.from(values(loraE(pair)), (value) => value !== 0);
      return adaLoraContents(
        { rank: initRank, alpha: settings.alpha },
        new Map(
          lora.placements.map(({ module, pair }) => [module.path, keptTensors(module, pair, kept(pair), values)]),
        ),
        {
          ...loraFields(settings),
          target_r: rank,
          tinit: plan.warmup,
          tfinal: plan.final,
          deltaT: plan.interval,
          beta1: settings.adaloraBeta1,
          beta2: settings.adaloraBeta2,
          orth_reg_weight: settings.adaloraOrthogonality,
          total_step: totalSteps,
          rank_pattern: Object.fromEntries(
            lora.placements.map(({ module, pair }) => [`${module.path}.lora_E`, kept(pair)]),
          ),
        },
      );
    },
  };
}

/** Half as much again as at the end (arXiv 2303.10512, section 4). */
const rankAtStart = (rank: number) => Math.ceil(1.5 * rank);

/**
 * The average rank that is left at the end, nearest to the budget; the rank at the start is that of `rankAtStart`.
 * (Which module keeps which rank is learned, so that the numbers left may differ.)
 */
function fitAverageRank(
  { rank: former, alpha }: AdaLoraSettings,
  { own }: Where,
  _model: Model,
  budget: number,
): Pick<AdaLoraSettings, 'rank' | 'alpha' | 'adaloraInitRank'> {
  const perRank = own.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures + 1, 0);
  const rank = Math.round(budget / perRank);
  if (rank < 1)
    throw tooSmall(budget, perRank, `rank 1 on ${own.length} modules`, 'or adapt fewer modules (--targets)');
  return { rank, alpha: (alpha * rank) / former, adaloraInitRank: rankAtStart(rank) };
}

/** LoRA's fields, and AdaLoRA's own. Its layers of PEFT read neither ranks and alphas by pattern nor `use_rslora`. */
const adaLoraType: PeftType = {
  name: 'ADALORA',
  fields: {
    ...loraType.fields,
    alpha_pattern: idle({}),
    beta1: idle(0.85),
    beta2: idle(0.85),
    deltaT: idle(1),
    init_r: honoured(12),
    lora_bias: refused(false),
    orth_reg_weight: honoured(0.5),
    r: idle(8),
    rank_pattern: honoured(),
    target_r: idle(8),
    tfinal: idle(0),
    tinit: idle(0),
    total_step: idle(),
    use_dora: refused(false),
    use_rslora: idle(false),
  },
  rankField: 'init_r',
  hasAlpha: true,
  hasRankPattern: false,
  faultOf: ({ rank_pattern: pattern }) =>
    isRankLists(pattern) ? undefined : '"rank_pattern" must map names to lists of true and false',
  tensors: () => ({ lora_A: ['rank', 'in'], lora_B: ['out', 'rank'], lora_E: ['rank', 1] }),
  shared: {},
  rankOf: ({ rank_pattern: pattern }, module) => keptRank(pattern, module),
};

/** `rank_pattern` says of every rank of a module whether it is left. */
function keptRank(pattern: unknown, module: string): number | undefined {
  if (!isJsonObject(pattern)) return undefined;
  const kept = pattern[`${module}.lora_E`];
  return Array.isArray(kept) ? kept.filter((one) => one === true).length : undefined;
}

function isRankLists(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const isList = (one: unknown) => Array.isArray(one) && one.every((kept) => typeof kept === 'boolean');
  return isJsonObject(value) && Object.values(value).every(isList);
}

const share = z.number().gt(0).lt(1);

export const adalora = {
  title: 'AdaLoRA',
  source: 'arXiv 2303.10512',
  places: 'targets',
  settings: {
    rank: loraSettings.rank,
    alpha: loraSettings.alpha,
    loraDropout: loraSettings.loraDropout,
    bias: loraSettings.bias,
    adaloraInitRank: z
      .int()
      .min(1)
      .optional()
      .describe('rank at the start; --rank is the average at the end (default: 1.5 · rank)'),
    adaloraTinit: z
      .int()
      .nonnegative()
      .optional()
      .describe('steps before ranks are taken away (default: 10 % of the run)'),
    adaloraTfinal: z
      .int()
      .nonnegative()
      .optional()
      .describe('steps at the end with fixed ranks (default: 50 % of the run)'),
    adaloraDeltaT: z.int().min(1).default(10).describe('steps between two allocations of ranks'),
    adaloraBeta1: share.default(0.85).describe('smoothing of the sensitivity'),
    adaloraBeta2: share.default(0.85).describe('smoothing of the uncertainty'),
    adaloraOrthogonality: z.number().nonnegative().default(0.5).describe('weight of the orthogonality term'),
  },
  defaults: { ...loraDefaults, adaloraInitRank: rankAtStart },
  usual: usualLora,
  plan: adaLoraPlan,
  fit: fitAverageRank,
  solved: ['adaloraInitRank'],
  format: {
    format: 'peft',
    type: adaLoraType,
    reader: {
      matches: () => true,
      plan: (adapter, where, model) => {
        const ranks: LearnedRanks = new Map(where.own.map(({ path }) => [path, rankOf(adapter, path)]));
        const { ranks: _, ...settings } = loraSettingsOf(adapter, where.own);
        const orthogonality = Number(adapter.fields.orth_reg_weight ?? 0.5);
        return learnedAdaLoraPlan({ ...settings, initRank: adapter.rank, orthogonality }, ranks, where, model);
      },
    },
  },
} satisfies MethodOf<AdaLoraSettings>;

/** Ranks that an AdaLoRA run has left, by module path; 0 where none is left. */
export type LearnedRanks = ReadonlyMap<string, number>;

/** AdaLoRA after its allocation, as a file holds it: every module has the ranks that it was left, and keeps them. */
export function learnedAdaLoraPlan(
  settings: LoraSettings & { readonly initRank: number; readonly orthogonality: number },
  ranks: LearnedRanks,
  where: Where,
  model: Model,
): AdapterPlan {
  const left = { ...where, own: where.own.filter(({ path }) => ranks.get(path)! > 0) };
  const own = Object.fromEntries(left.own.map(({ path }) => [path, ranks.get(path)!]));
  const { initRank } = settings;
  const lora = loraPlan({ ...settings, ranks: own, alphas: undefined }, left, model, variant(initRank));
  return {
    ...tripletPlan(lora, settings.orthogonality, settings.loraDropout),
    save: (_, values) =>
      adaLoraContents(
        { rank: initRank, alpha: settings.alpha },
        new Map(
          where.own.map((module) => {
            const kept = Array.from({ length: ranks.get(module.path)! }, () => true);
            const none = () => new Float32Array(0);
            return [module.path, keptTensors(module, module.path, kept, kept.length === 0 ? none : values)];
          }),
        ),
        loraFields(settings),
      ),
  };
}

const variant = (initRank: number): LoraVariant => {
  return { method: 'adalora', scaling: (alpha) => alpha / (initRank + rankEpsilon) };
};

/** Turns the pairs of a plan into triplets P Λ Q. */
function tripletPlan(lora: AdapterPlan, orthogonalityWeight: number, loraDropout = 0): AdapterPlan {
  const byPath = new Map(lora.placements.map((one) => [one.module.path, one]));
  const pairs = distinctPairs(lora.placements);
  const tensors: AdapterTensor[] = [
    ...lora.tensors,
    ...pairs.map((one) => ({ name: loraE(one.pair), shape: [one.rank, 1] })),
  ];
  return {
    ...lora,
    tensors,
    initial: async (_, seed) =>
      new Map(
        tensors.map(({ name, shape }) => {
          const stream = randomStream(seed, 'adalora', name);
          const isE = name.endsWith('.lora_E');
          return [name, Float32Array.from({ length: elementCount(shape) }, () => (isE ? 0 : 0.02 * stream.normal()))];
        }),
      ),
    adapt(call, y, graph) {
      const placement = byPath.get(call.path);
      if (placement === undefined) return y;
      const at = (name: string) => graph.parameters.get(name)!;
      const { pair, scaling, rank } = placement;
      const reduced = ops.matmul(graph.dropout(call.x, loraDropout), at(loraA(pair)), { transB: true });
      const weighted = ops.mul(reduced, ops.reshape(at(loraE(pair)), [rank]));
      return ops.add(y, ops.matmul(weighted, at(loraB(pair)), { transB: true, alpha: scaling }));
    },
    penalty: (parameters) => orthogonality(pairs, parameters, orthogonalityWeight),
    mergedWeight: (placement, base, values) =>
      withProduct(base, placement, scaledRows(placement, values), values(loraB(placement.pair))),
  };
}

function adaLoraContents(
  { rank, alpha }: { readonly rank: number; readonly alpha: number },
  modules: PeftContents['modules'],
  fields: PeftContents['fields'],
): PeftContents {
  return {
    format: 'peft',
    type: adaLoraType,
    rank,
    alpha,
    rankPattern: {},
    alphaPattern: {},
    modules,
    shared: [],
    fields,
  };
}

/** weight · mean over all P and Q of ‖PᵀP − I‖ and ‖QQᵀ − I‖ (equation 5; the mean and the plain norm are PEFT's). */
export function orthogonality(
  pairs: readonly Placement[],
  parameters: ReadonlyMap<string, Tensor>,
  weight: number,
): Tensor {
  const norms = pairs.flatMap(({ pair, rank }) => {
    const [a, b] = [parameters.get(loraA(pair))!, parameters.get(loraB(pair))!];
    const identity = Float32Array.from({ length: rank * rank }, (_, i) => (i % (rank + 1) === 0 ? 1 : 0));
    return [ops.matmul(a, a, { transB: true }), ops.matmul(b, b, { transA: true })].map((gram) => {
      const difference = ops.sub(gram, constant(identity, [rank, rank]));
      return ops.sqrt(ops.sum(ops.mul(difference, difference), { axes: [0, 1], keepDims: false }));
    });
  });
  return ops.scale(
    norms.reduce((total, one) => ops.add(total, one)),
    weight / norms.length,
  );
}

/** Λ Q [rank, in] */
function scaledRows({ module: { inFeatures }, pair }: Placement, values: TensorValues): Float32Array {
  const singular = values(loraE(pair));
  return values(loraA(pair)).map((value, i) => value * singular[Math.floor(i / inFeatures)]!);
}

/** The tensors of a module with only the ranks that are left. */
function keptTensors(
  { inFeatures, outFeatures }: Placement['module'],
  pair: string,
  kept: readonly boolean[],
  values: TensorValues,
) {
  const left = kept.flatMap((one, k) => (one ? [k] : []));
  const [a, b, e] = [values(loraA(pair)), values(loraB(pair)), values(loraE(pair))];
  const rows = new Float32Array(left.length * inFeatures);
  for (const [i, k] of left.entries()) rows.set(a.subarray(k * inFeatures, (k + 1) * inFeatures), i * inFeatures);
  const columns = Float32Array.from({ length: outFeatures * left.length }, (_, i) => {
    return b[Math.floor(i / left.length) * kept.length + left[i % left.length]!]!;
  });
  return {
    lora_A: { name: loraA(pair), shape: [left.length, inFeatures], data: rows },
    lora_B: { name: loraB(pair), shape: [outFeatures, left.length], data: columns },
    lora_E: { name: loraE(pair), shape: [left.length, 1], data: Float32Array.from(left, (k) => e[k]!) },
  };
}
