import { ops, type Tensor } from '../graph/index.js';
import { randomStream } from '../random.js';
import type { AdapterPlan, LowRankPair } from './plan.js';

/** Names of a pair's two parameters. */
export const loraA = (pair: string) => `${pair}.lora_A`;
export const loraB = (pair: string) => `${pair}.lora_B`;

/**
 * LoRA (arXiv 2106.09685, equation 3): y + γ · (alpha / rank) · B A x.
 * @param x [rows, in] @param y frozen output [rows, out] @param gate γ, a scalar of the Differential Adaptation Matrix
 */
export function addLowRank(at: {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scaling: number;
  readonly gate?: Tensor | undefined;
}): Tensor {
  const reduced = ops.matmul(at.x, at.a, { transB: true });
  const gated = at.gate === undefined ? reduced : ops.mul(reduced, at.gate);
  return ops.add(at.y, ops.matmul(gated, at.b, { transB: true, alpha: at.scaling }));
}

/**
 * First values of a pair: A is uniform in ±1/√in (Kaiming with a = √5, as in PEFT), B is 0, so a fresh adapter changes
 * nothing. They depend on the seed and the pair's name alone.
 */
export function initialPair(pair: LowRankPair, rank: number, seed: number): { a: Float32Array; b: Float32Array } {
  const stream = randomStream(seed, 'lora_A', pair.name);
  const bound = 1 / Math.sqrt(pair.inFeatures);
  const a = Float32Array.from({ length: rank * pair.inFeatures }, () => (2 * stream.uniform() - 1) * bound);
  return { a, b: new Float32Array(pair.outFeatures * rank) };
}

/** What an adapter adds to the weight of its module: (alpha / rank) · B A, [out, in] row-major. */
export function weightUpdate(
  plan: Pick<AdapterPlan, 'rank' | 'alpha'>,
  pair: LowRankPair,
  a: Float32Array,
  b: Float32Array,
) {
  const { inFeatures, outFeatures } = pair;
  const scaling = plan.alpha / plan.rank;
  const update = new Float32Array(outFeatures * inFeatures);
  for (let row = 0; row < outFeatures; row++) {
    for (let k = 0; k < plan.rank; k++) {
      const factor = scaling * b[row * plan.rank + k]!;
      for (let column = 0; column < inFeatures; column++) {
        update[row * inFeatures + column]! += factor * a[k * inFeatures + column]!;
      }
    }
  }
  return update;
}
