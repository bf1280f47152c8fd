import * as z from 'zod';
import { ops } from '../../graph/index.js';
import type { Model } from '../../models/model.js';
import { baseWeight } from '../baseWeight.js';
import { fitRanks } from '../fit.js';
import { type LoraSettings, loraDefaults, loraSettings, usualLora } from '../loraSettings.js';
import type { MethodOf } from '../method.js';
import { loraType } from '../peft/loraType.js';
import { type AdapterPlan, distinctPairs, type Placement, type Where } from '../plan.js';
import { truncatedSvd } from '../truncatedSvd.js';
import { addLowRank, loraA, loraB, loraContents, loraFields, loraPlan, lowRankProduct } from './lora.js';

export interface PissaSettings extends LoraSettings {
  /** Subspace iterations of the singular value decomposition. */
  readonly pissaIterations: number;
}

/** Frozen copies of where a pair starts. */
const startA = (pair: string) => `${pair}.start_A`;
const startB = (pair: string) => `${pair}.start_B`;

/**
 * PiSSA (arXiv 2404.02948, equations 2 to 4): A and B start at the principal part of W0 = U S Vᵀ, A = √S Vᵀ and
 * B = U √S over the scaling, and what they start at is taken away: h = W0 x + s (B A − B₀ A₀) x. W0 itself stays as it
 * is, so the file is that of plain LoRA of twice the rank (section 4, "converted to LoRA").
 */
export function pissaPlan(settings: PissaSettings, where: Where, model: Model): AdapterPlan {
  const lora = loraPlan(settings, where, model);
  const byPath = new Map(lora.placements.map((one) => [one.module.path, one]));
  const starts = lora.tensors.map(({ name, shape }) => ({
    name: name.replace(/\.lora_([AB])$/, '.start_$1'),
    shape,
    frozen: true,
  }));
  return {
    ...lora,
    method: 'pissa',
    tensors: [...lora.tensors, ...starts],
    async initial(opened) {
      const values = new Map<string, Float32Array>();
      for (const placement of distinctPairs(lora.placements)) {
        const { a, b } = principalPair(await baseWeight(opened, placement.module), placement, settings.pissaIterations);
        const { pair } = placement;
        values.set(loraA(pair), a).set(loraB(pair), b).set(startA(pair), a.slice()).set(startB(pair), b.slice());
      }
      return values;
    },
    adapt(call, y, graph) {
      const placement = byPath.get(call.path);
      if (placement === undefined) return y;
      const { pair, scaling } = placement;
      const x = graph.dropout(call.x, settings.loraDropout ?? 0);
      const at = (name: string) => graph.parameters.get(name)!;
      const rest = addLowRank({ x: call.x, y, a: at(startA(pair)), b: ops.neg(at(startB(pair))), scaling });
      return addLowRank({ x, y: rest, a: at(loraA(pair)), b: at(loraB(pair)), scaling });
    },
    mergedWeight(placement, base, values) {
      const { pair } = placement;
      const now = lowRankProduct(placement, values(loraA(pair)), values(loraB(pair)));
      const before = lowRankProduct(placement, values(startA(pair)), values(startB(pair)));
      return base.map((value, i) => value + now[i]! - before[i]!);
    },
    save(_, values) {
      const { rank, alpha } = settings;
      const doubled = lora.placements.map((one) => ({ ...one, rank: 2 * one.rank, alpha: 2 * one.alpha }));
      const joined = new Map(
        lora.placements.flatMap(({ pair, rank: r }) => [
          [loraA(pair), joinedRows(values(loraA(pair)), values(startA(pair)))],
          [loraB(pair), joinedColumns(values(loraB(pair)), values(startB(pair)), r)],
        ]),
      );
      const pairs = loraContents(doubled, { rank: 2 * rank, alpha: 2 * alpha }, (name) => joined.get(name)!);
      return { ...pairs, fields: loraFields(settings) };
    },
  };
}

export const pissa = {
  title: 'PiSSA',
  source: 'arXiv 2404.02948',
  places: 'selected',
  settings: {
    ...loraSettings,
    pissaIterations: z.int().min(1).default(8).describe('subspace iterations of the singular value decomposition'),
  },
  defaults: loraDefaults,
  usual: usualLora,
  plan: pissaPlan,
  fit: fitRanks(pissaPlan),
  format: { format: 'peft', type: loraType },
} satisfies MethodOf<PissaSettings>;

/** A = √(S / s) Vᵀ [rank, in] and B = U √(S / s) [out, rank] of the largest singular values of W0. */
function principalPair(weight: Float32Array, { module, rank, scaling }: Placement, iterations: number) {
  const { inFeatures, outFeatures } = module;
  const { singularValues, left, right } = truncatedSvd(weight, {
    rows: outFeatures,
    columns: inFeatures,
    rank,
    iterations,
  });
  const a = new Float32Array(rank * inFeatures);
  const b = new Float32Array(outFeatures * rank);
  for (let k = 0; k < rank; k++) {
    const root = Math.sqrt(singularValues[k]! / scaling);
    for (let i = 0; i < inFeatures; i++) a[k * inFeatures + i] = root * right[k]![i]!;
    for (let i = 0; i < outFeatures; i++) b[i * rank + k] = root * left[k]![i]!;
  }
  return { a, b };
}

/** [A; A₀] */
function joinedRows(now: Float32Array, start: Float32Array): Float32Array {
  const joined = new Float32Array(2 * now.length);
  joined.set(now);
  joined.set(start, now.length);
  return joined;
}

/** [B, −B₀] */
function joinedColumns(now: Float32Array, start: Float32Array, rank: number): Float32Array {
  return Float32Array.from({ length: 2 * now.length }, (_, i) => {
    const [row, column] = [Math.floor(i / (2 * rank)), i % (2 * rank)];
    return column < rank ? now[row * rank + column]! : -start[row * rank + column - rank]!;
  });
}
