import { ops, type Tensor } from '../graph/index.js';

/** How entries of the Differential Adaptation Matrix are made continuous while they are learned. */
export const relaxations = ['sigmoid', 'softmax'] as const;
export type Relaxation = (typeof relaxations)[number];

/** Γ̄ = f(logits) as a graph: logits [layers, modules] → values in (0, 1), same shape. */
export function relaxedGates(logits: Tensor, relaxation: Relaxation): Tensor {
  return relaxation === 'sigmoid' ? ops.sigmoid(logits) : ops.softmax(logits);
}

/** Γ̄ in numbers, row by row. */
export function relaxedValues(logits: readonly (readonly number[])[], relaxation: Relaxation): number[][] {
  return logits.map((row) => {
    if (relaxation === 'sigmoid') return row.map((logit) => 1 / (1 + Math.exp(-logit)));
    const highest = Math.max(...row);
    const exponentials = row.map((logit) => Math.exp(logit - highest));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    return exponentials.map((value) => value / total);
  });
}

/**
 * How undecided a relaxed matrix is: 1 where nothing has been learned (all 0.5, or all 1/N), 0 where it is binary.
 * Sigmoid: mean binary entropy of the entries in bits. Softmax: mean entropy of the rows over log N.
 */
export function relaxedEntropy(relaxed: readonly (readonly number[])[], relaxation: Relaxation): number {
  const term = (p: number) => (p <= 0 ? 0 : -p * Math.log(p));
  const rows = relaxed.map((row) => {
    if (relaxation === 'sigmoid') {
      return row.reduce((sum, p) => sum + term(p) + term(1 - p), 0) / (row.length * Math.LN2);
    }
    return row.length === 1 ? 0 : row.reduce((sum, p) => sum + term(p), 0) / Math.log(row.length);
  });
  return rows.reduce((sum, entropy) => sum + entropy, 0) / rows.length;
}
