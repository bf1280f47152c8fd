import { ops, type Tensor } from '../../graph/index.js';
import type { AdaptableModule, Model } from '../../models/model.js';
import { randomStream } from '../../random.js';
import { biasesOf } from '../biases.js';
import type { PeftContents } from '../contents.js';
import { fitRanks } from '../fit.js';
import { type LoraSettings, loraDefaults, loraSettings, usualLora } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import { loraSettingsOf, loraType } from '../peft/loraType.js';
import {
  type AdapterPlan,
  type AdapterTensor,
  checkPatterns,
  checkRank,
  distinctPairs,
  type Placement,
  patternValue,
  type TensorValues,
  type Where,
} from '../plan.js';

/** Names of a pair's two parameters. */
export const loraA = (pair: string) => `${pair}.lora_A`;
export const loraB = (pair: string) => `${pair}.lora_B`;
/** Name of the bias of B, where it has one. */
const loraBiasOf = (pair: string) => `${pair}.lora_B.bias`;

/** How a relative of LoRA differs from it. */
export interface LoraVariant {
  readonly method: string;
  /** Factor on B A x. */
  readonly scaling: (alpha: number, rank: number) => number;
  /** Factor on the learning rate of B (LoRA+). */
  readonly rateFactorOfB?: number;
  /** Fields of adapter_config.json. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

const plain: LoraVariant = { method: 'lora', scaling: (alpha, rank) => alpha / rank };

/** LoRA (arXiv 2106.09685): h = W0 x + b + (alpha / rank) · B A x. */
export function loraPlan(settings: LoraSettings, where: Where, model?: Model, variant = plain): AdapterPlan {
  const { rank, alpha, ranks = {}, alphas = {}, loraDropout = 0, loraBias = false, bias = 'none' } = settings;
  checkPatterns('--ranks', ranks, where);
  checkPatterns('--alphas', alphas, where);
  const place = (module: AdaptableModule, pair: string): Placement => {
    const own = patternValue(ranks, module.path);
    const moduleRank = own ?? rank;
    checkRank(module, moduleRank);
    const moduleAlpha = patternValue(alphas, module.path) ?? alpha;
    return { module, pair, rank: moduleRank, alpha: moduleAlpha, scaling: variant.scaling(moduleAlpha, moduleRank) };
  };
  const placements = [
    ...where.own.map((module) => place(module, module.path)),
    ...where.shared.map((module) => place(module, `shared.${module.module}`)),
  ];
  const byPath = new Map(placements.map((one) => [one.module.path, one]));
  const embeddings = placements.filter(({ module }) => module.isEmbedding === true);
  const byTable = new Map(embeddings.map((one) => [`${one.module.path}.weight`, one]));
  const pairs = distinctPairs(placements);
  const hasBias = ({ isEmbedding }: AdaptableModule) => loraBias && isEmbedding !== true;
  const tensors = pairs.flatMap(({ pair, rank: r, module }): AdapterTensor[] => [
    { name: loraA(pair), shape: [r, module.inFeatures] },
    {
      name: loraB(pair),
      shape: [module.outFeatures, r],
      ...(variant.rateFactorOfB === undefined ? {} : { rateFactor: variant.rateFactorOfB }),
    },
    ...(hasBias(module) ? [{ name: loraBiasOf(pair), shape: [module.outFeatures] }] : []),
  ]);
  return {
    method: variant.method,
    placements,
    tensors,
    replaced: biasesOf(bias, model, placements),
    initial: async (_, seed) =>
      new Map(
        pairs.flatMap((one) => [
          [loraA(one.pair), initialA(one, seed)],
          [loraB(one.pair), new Float32Array(one.module.outFeatures * one.rank)],
          ...(hasBias(one.module) ? [[loraBiasOf(one.pair), new Float32Array(one.module.outFeatures)] as const] : []),
        ]),
      ),
    adapt(call, y, graph) {
      const placement = byPath.get(call.path);
      if (placement === undefined) return y;
      const { module, pair, scaling } = placement;
      const own = hasBias(module) ? ops.scale(graph.parameters.get(loraBiasOf(pair))!, scaling) : undefined;
      return addLowRank({
        x: graph.dropout(call.x, loraDropout),
        y: own === undefined ? y : ops.add(y, own),
        a: graph.parameters.get(loraA(pair))!,
        b: graph.parameters.get(loraB(pair))!,
        scaling,
        gate: graph.gate?.(module),
        observe: graph.observe === undefined ? undefined : (update) => graph.observe!(module, update),
      });
    },
    ...(byTable.size === 0
      ? {}
      : {
          adaptWeight(name, weight, graph) {
            const placement = byTable.get(name);
            if (placement === undefined) return weight;
            const { pair, scaling } = placement;
            const [a, b] = [graph.parameters.get(loraA(pair))!, graph.parameters.get(loraB(pair))!];
            return ops.add(weight, ops.matmul(a, b, { transA: true, transB: true, alpha: scaling }));
          },
        }),
    mergedWeight: (placement, base, values) =>
      withProduct(base, placement, values(loraA(placement.pair)), values(loraB(placement.pair))),
    ...(loraBias
      ? {
          addsBias: true,
          mergedBias: ({ module, pair, scaling }, base, values) =>
            hasBias(module) ? base.map((value, i) => value + scaling * values(loraBiasOf(pair))[i]!) : base,
        }
      : {}),
    save: (_, values) => ({
      ...loraContents(placements, { rank, alpha }, values, loraBias),
      fields: { ...loraFields(settings), ...variant.fields },
    }),
  };
}

export const lora = {
  title: 'LoRA',
  source: 'arXiv 2106.09685',
  places: 'selected',
  settings: loraSettings,
  defaults: loraDefaults,
  usual: usualLora,
  plan: (settings, where, model) => loraPlan(settings, where, model),
  fit: fitRanks((settings, where, model) => loraPlan(settings, where, model)),
  format: {
    format: 'peft',
    type: loraType,
    reader: {
      matches: ({ use_dora, use_rslora }) => use_dora !== true && use_rslora !== true,
      plan: (adapter, where, model) => loraPlan(loraSettingsOf(adapter, where.own), where, model),
    },
  },
} satisfies MethodOf<LoraSettings>;

/**
 * y + γ · scaling · B A x (arXiv 2106.09685, equation 3).
 * @param x [rows, in] @param y frozen output [rows, out] @param gate γ, a scalar of the Differential Adaptation Matrix
 */
export function addLowRank(at: {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scaling: number;
  readonly gate?: Tensor | undefined;
  readonly observe?: ((update: Tensor) => void) | undefined;
}): Tensor {
  const reduced = ops.matmul(at.x, at.a, { transB: true });
  const gated = at.gate === undefined ? reduced : ops.mul(reduced, at.gate);
  const update = ops.matmul(gated, at.b, { transB: true, alpha: at.scaling });
  at.observe?.(update);
  return ops.add(at.y, update);
}

/** A is uniform in ±1/√in (Kaiming with a = √5, as in PEFT), by the seed and the pair's name alone. */
export function initialA({ pair, rank, module }: Placement, seed: number): Float32Array {
  const stream = randomStream(seed, 'lora_A', pair);
  const bound = 1 / Math.sqrt(module.inFeatures);
  return Float32Array.from({ length: rank * module.inFeatures }, () => (2 * stream.uniform() - 1) * bound);
}

/** base + scaling · B A [out, in] row-major. */
export function withProduct(base: Float32Array, placement: Placement, a: Float32Array, b: Float32Array): Float32Array {
  const update = lowRankProduct(placement, a, b);
  return base.map((value, i) => value + update[i]!);
}

/** scaling · B A [out, in] row-major, from A [rank, in] and B [out, rank]. */
export function lowRankProduct(
  { module: { inFeatures, outFeatures }, rank, scaling }: Placement,
  a: Float32Array,
  b: Float32Array,
): Float32Array {
  const product = new Float32Array(outFeatures * inFeatures);
  for (let row = 0; row < outFeatures; row++) {
    for (let k = 0; k < rank; k++) {
      const factor = scaling * b[row * rank + k]!;
      for (let column = 0; column < inFeatures; column++) {
        product[row * inFeatures + column]! += factor * a[k * inFeatures + column]!;
      }
    }
  }
  return product;
}

const linearSuffixes = ['lora_A.weight', 'lora_B.weight'] as const;
const embeddingSuffixes = ['lora_embedding_A', 'lora_embedding_B'] as const;

/** Fields of adapter_config.json that every relative of LoRA has. */
export function loraFields({ bias = 'none', loraDropout = 0 }: LoraSettings) {
  return { bias, lora_dropout: loraDropout };
}

/** The pairs as PEFT keeps them: shared ones written out for every module, ranks and alphas that differ by path. */
export function loraContents(
  placements: readonly Placement[],
  { rank, alpha }: { readonly rank: number; readonly alpha: number },
  values: TensorValues,
  hasBias = false,
): PeftContents {
  const differing = (of: (one: Placement) => number, usual: number) =>
    Object.fromEntries(placements.filter((one) => of(one) !== usual).map((one) => [one.module.path, of(one)]));
  return {
    format: 'peft',
    type: loraType,
    rank,
    alpha,
    rankPattern: differing((one) => one.rank, rank),
    alphaPattern: differing((one) => one.alpha, alpha),
    modules: new Map(
      placements.map(({ module, pair, rank: r }) => {
        const [a, b] = module.isEmbedding === true ? embeddingSuffixes : linearSuffixes;
        return [
          module.path,
          {
            [a]: { name: loraA(pair), shape: [r, module.inFeatures], data: values(loraA(pair)) },
            [b]: { name: loraB(pair), shape: [module.outFeatures, r], data: values(loraB(pair)) },
            ...(hasBias && module.isEmbedding !== true
              ? {
                  'lora_B.bias': {
                    name: loraBiasOf(pair),
                    shape: [module.outFeatures],
                    data: values(loraBiasOf(pair)),
                  },
                }
              : {}),
          },
        ];
      }),
    ),
    shared: [],
    fields: {},
  };
}
