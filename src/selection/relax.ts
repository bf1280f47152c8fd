import { type RandomStream, randomStream } from '../random.js';

/** How entries of the Differential Adaptation Matrix are made continuous while they are learned. */
export const relaxations = ['sigmoid', 'softmax', 'budget', 'gumbel'] as const;
export type Relaxation = (typeof relaxations)[number];

/** Positions of entries in the flat matrix that are weighed against each other, and how many of them will be kept. */
export interface Group {
  readonly entries: readonly number[];
  readonly kept: number;
}

/** Γ̄ = f(logits) at one point. */
export interface Relaxed {
  /** What stands in the forward pass, in the order of the flat matrix. */
  readonly gates: Float64Array;
  /** From ∂L/∂gates to ∂L/∂logits. */
  pullback(byGates: ArrayLike<number>): Float64Array;
}

/**
 * Γ̄ for the logits of a flat matrix.
 *
 * - `sigmoid`: every entry for itself, γ̄ = σ(l).
 * - `softmax`: each group sums to 1.
 * - `budget`: γ̄ = σ(l + c), c such that each group sums to the number of entries that it will keep.
 * - `gumbel`: the K largest of l + Gumbel noise are 1 and the rest 0; the gradient is that of `budget` at l + noise
 *   (straight-through; Gumbel top-K, arXiv 1903.06059). Without noise it is `budget`.
 */
export function relax(
  relaxation: Relaxation,
  logits: ArrayLike<number>,
  groups: readonly Group[],
  noise?: ArrayLike<number>,
): Relaxed {
  switch (relaxation) {
    case 'sigmoid': {
      const gates = new Float64Array(logits.length);
      // Where no module stands nothing is weighed.
      for (const i of groups.flatMap(({ entries }) => entries)) gates[i] = sigmoid(logits[i]!);
      return { gates, pullback: (byGates) => gates.map((p, i) => byGates[i]! * p * (1 - p)) };
    }
    case 'softmax':
      return softmax(logits, groups);
    case 'budget':
      return budget(logits, groups);
    case 'gumbel': {
      const moved = Float64Array.from(logits, (logit, i) => logit + (noise?.[i] ?? 0));
      const soft = budget(moved, groups);
      return noise === undefined ? soft : { gates: largest(moved, groups), pullback: soft.pullback };
    }
  }
}

/** Gumbel noise of a search step: a function of seed and step alone. */
export function gumbelNoise(length: number, seed: number, step: number): Float64Array {
  const stream: RandomStream = randomStream(seed, 'gumbel', step);
  return Float64Array.from({ length }, () => -Math.log(-Math.log(1 - stream.uniform() || Number.MIN_VALUE)));
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Gradient within a group: p_i (g_i − Σ p_j g_j). */
function softmax(logits: ArrayLike<number>, groups: readonly Group[]): Relaxed {
  const gates = new Float64Array(logits.length);
  for (const { entries } of groups) {
    const highest = Math.max(...entries.map((i) => logits[i]!));
    const total = entries.reduce((sum, i) => sum + Math.exp(logits[i]! - highest), 0);
    for (const i of entries) gates[i] = Math.exp(logits[i]! - highest) / total;
  }
  return {
    gates,
    pullback(byGates) {
      const result = new Float64Array(gates.length);
      for (const { entries } of groups) {
        const mean = entries.reduce((sum, i) => sum + gates[i]! * byGates[i]!, 0);
        for (const i of entries) result[i] = gates[i]! * (byGates[i]! - mean);
      }
      return result;
    },
  };
}

/** Gradient within a group, s = p (1 − p): s_i (g_i − Σ s_j g_j / Σ s_j), since the shift moves with every logit. */
function budget(logits: ArrayLike<number>, groups: readonly Group[]): Relaxed {
  const gates = new Float64Array(logits.length);
  for (const { entries, kept } of groups) {
    const shift = shiftFor(
      entries.map((i) => logits[i]!),
      kept,
    );
    for (const i of entries) gates[i] = kept === entries.length ? 1 : sigmoid(logits[i]! + shift);
  }
  return {
    gates,
    pullback(byGates) {
      const result = new Float64Array(gates.length);
      for (const { entries } of groups) {
        const slope = (i: number) => gates[i]! * (1 - gates[i]!);
        const total = entries.reduce((sum, i) => sum + slope(i), 0);
        if (total === 0) continue;
        const mean = entries.reduce((sum, i) => sum + slope(i) * byGates[i]!, 0) / total;
        for (const i of entries) result[i] = slope(i) * (byGates[i]! - mean);
      }
      return result;
    },
  };
}

/** The c at which Σ σ(l + c) is `total`, by bisection: the sum rises with c. */
function shiftFor(logits: readonly number[], total: number): number {
  let low = -Math.max(...logits) - 40;
  let high = -Math.min(...logits) + 40;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    const sum = logits.reduce((partial, logit) => partial + sigmoid(logit + middle), 0);
    if (sum < total) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** 1 at the `kept` largest values of each group, 0 elsewhere; of equal values the earlier is kept. */
function largest(values: Float64Array, groups: readonly Group[]): Float64Array {
  const marks = new Float64Array(values.length);
  for (const { entries, kept } of groups) {
    const order = [...entries].sort((a, b) => values[b]! - values[a]! || a - b);
    for (const i of order.slice(0, kept)) marks[i] = 1;
  }
  return marks;
}

/**
 * How undecided a relaxed matrix is: 1 where nothing has been learned, 0 where it is binary. Softmax: mean entropy of the
 * groups over log N. Others: mean binary entropy of the entries in bits.
 */
export function relaxedEntropy(gates: ArrayLike<number>, relaxation: Relaxation, groups: readonly Group[]): number {
  const term = (p: number) => (p <= 0 ? 0 : -p * Math.log(p));
  if (relaxation === 'softmax') {
    const ofGroup = ({ entries }: Group) =>
      entries.length === 1 ? 0 : entries.reduce((sum, i) => sum + term(gates[i]!), 0) / Math.log(entries.length);
    return groups.reduce((sum, group) => sum + ofGroup(group), 0) / groups.length;
  }
  const all = groups.flatMap(({ entries }) => entries.map((i) => gates[i]!));
  return all.reduce((sum, p) => sum + term(p) + term(1 - p), 0) / (all.length * Math.LN2);
}

/** ∂ entropy / ∂ gates of {@link relaxedEntropy}. */
export function entropyGradient(
  gates: ArrayLike<number>,
  relaxation: Relaxation,
  groups: readonly Group[],
): Float64Array {
  const inside = (p: number) => Math.min(Math.max(p, 1e-12), 1 - 1e-12);
  const result = new Float64Array(gates.length);
  if (relaxation !== 'softmax') {
    const all = groups.flatMap(({ entries }) => entries);
    for (const i of all) result[i] = Math.log((1 - inside(gates[i]!)) / inside(gates[i]!)) / (all.length * Math.LN2);
    return result;
  }
  for (const { entries } of groups) {
    if (entries.length === 1) continue;
    for (const i of entries) {
      result[i] = -(Math.log(inside(gates[i]!)) + 1) / (Math.log(entries.length) * groups.length);
    }
  }
  return result;
}
