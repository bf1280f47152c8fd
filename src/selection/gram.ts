import { EigenvalueDecomposition, Matrix, solve } from 'ml-matrix';
import { loraPlan } from '../adapters/methods/lora.js';
import type { EncodedExample } from '../engine/batch.js';
import { refuseNotFiniteGradient } from '../engine/notFinite.js';
import { openOutputGradients } from '../engine/outputGradients.js';
import { adapterParameters, type Parameter } from '../engine/parameters.js';
import { usageError } from '../errors.js';
import type { Model } from '../models/model.js';
import type { FreshAdapters } from './damStart.js';

/** What the Gram matrix of a set of modules says (DESIGN 2.3). */
export interface GramReport {
  /** Smallest eigenvalue of H: the larger, the faster gradient descent converges. */
  readonly smallestEigenvalue: number;
  /** Largest over smallest eigenvalue. */
  readonly condition: number;
  /** yᵀ H⁻¹ y / n, summed over outputs: the smaller, the better the bound on generalisation (arXiv 1901.08584). */
  readonly complexity: number;
}

/** Gram matrices of the per-example gradients by A and B of every module, and the targets. */
export interface GramMatrices {
  readonly examples: number;
  /** In the order of `model.adaptable`: H_m [n, n], n the examples. */
  readonly modules: readonly Float64Array[];
  /** y of every output, centred: [outputs][n]. */
  readonly targets: readonly Float64Array[];
}

/**
 * H_m = G_m G_mᵀ, row i of G_m being the gradient of the model's output for example i by that module's A and B, with
 * fresh adapters on all modules. Classification into two: the output is the difference of the two logits and y is ±1.
 * Into more: H_m is the mean over the logits, y one-hot and centred. Regression: the output, and y of variance 1.
 */
export async function gramMatrices(
  model: Model,
  head: readonly Parameter[],
  examples: readonly EncodedExample[],
  options: Omit<FreshAdapters, 'objective'> & { readonly onExample?: (done: number) => void },
): Promise<GramMatrices> {
  if (model.outputsOf !== 'sequence') {
    throw usageError('The Gram matrix is that of classes or scores; this task has neither. Select another way.');
  }
  const plan = loraPlan({ ...options, bias: 'none' }, { own: model.adaptable, shared: [] });
  const adapters = await adapterParameters(plan, model, options.seed);
  // B starts at 0, so that the gradient by A is 0 and adds nothing.
  const moved = adapters.filter(({ name }) => name.endsWith('.lora_B'));
  const parameters = [...adapters, ...head];
  const { threads } = options;
  const gradients = await openOutputGradients(model, { plan, parameters, wrt: moved, threads });
  const directions = outputDirections(model.numLabels);
  const n = examples.length;
  const sums = moved.map(() => new Float64Array(n * n));
  try {
    for (const direction of directions) {
      const rows: Float32Array[][] = moved.map(() => []);
      for (const [i, example] of examples.entries()) {
        options.signal?.throwIfAborted();
        await gradients.run(example, direction);
        refuseNotFiniteGradient(`example ${i + 1}`, moved, gradients.gradients);
        for (const [m, gradient] of gradients.gradients.entries()) rows[m]!.push(gradient.slice());
        options.onExample?.(i + 1);
      }
      for (const [m, sum] of sums.entries()) addGram(sum, rows[m]!, 1 / directions.length);
    }
  } finally {
    await gradients.release();
  }
  return { examples: n, modules: sums, targets: targetsOf(examples, model.numLabels) };
}

/** λ_min, condition and complexity of Σ H_m over the modules that `isKept` names. */
export function gramReport({ examples: n, modules, targets }: GramMatrices, isKept: (index: number) => boolean) {
  const sum = new Float64Array(n * n);
  for (const [m, matrix] of modules.entries()) if (isKept(m)) addTo(sum, matrix);
  const eigenvalues = eigenvaluesOf(sum, n);
  const [smallest, largest] = [Math.max(0, eigenvalues[0]!), eigenvalues[n - 1]!];
  const h = toMatrix(sum, n);
  const complexity =
    smallest <= 1e-12 * largest
      ? Number.POSITIVE_INFINITY
      : targets.reduce((total, y) => {
          const solved = solve(h, Matrix.columnVector(Array.from(y))).getColumn(0);
          return total + solved.reduce((part, value, i) => part + value * y[i]!, 0) / n;
        }, 0);
  return { smallestEigenvalue: smallest, condition: largest / smallest, complexity } satisfies GramReport;
}

/** Smallest eigenvalue of a sum of Gram matrices. */
export function smallestEigenvalue(sum: Float64Array, n: number): number {
  return eigenvaluesOf(sum, n)[0]!;
}

export function addTo(sum: Float64Array, matrix: Float64Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += matrix[i]!;
}

/** Ascending. */
function eigenvaluesOf(values: Float64Array, n: number): number[] {
  return new EigenvalueDecomposition(toMatrix(values, n), { assumeSymmetric: true }).realEigenvalues.sort(
    (a, b) => a - b,
  );
}

function toMatrix(values: Float64Array, n: number): Matrix {
  return new Matrix(Array.from({ length: n }, (_, row) => Array.from(values.subarray(row * n, (row + 1) * n))));
}

function outputDirections(outputs: number): Float32Array[] {
  if (outputs === 1) return [Float32Array.of(1)];
  if (outputs === 2) return [Float32Array.of(-1, 1)];
  return Array.from({ length: outputs }, (_, c) =>
    Float32Array.from({ length: outputs }, (__, i) => (i === c ? 1 : 0)),
  );
}

function targetsOf(examples: readonly EncodedExample[], outputs: number): Float64Array[] {
  const labels = examples.map(({ label }) => label as number);
  if (outputs === 1) {
    const mean = labels.reduce((sum, label) => sum + label, 0) / labels.length;
    const spread = Math.sqrt(labels.reduce((sum, label) => sum + (label - mean) ** 2, 0) / labels.length) || 1;
    return [Float64Array.from(labels, (label) => (label - mean) / spread)];
  }
  if (outputs === 2) return [Float64Array.from(labels, (label) => (label === 1 ? 1 : -1))];
  return Array.from({ length: outputs }, (_, c) =>
    Float64Array.from(labels, (label) => (label === c ? 1 : 0) - 1 / outputs),
  );
}

function addGram(sum: Float64Array, rows: readonly Float32Array[], weight: number): void {
  const n = rows.length;
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      const [a, b] = [rows[i]!, rows[j]!];
      let product = 0;
      for (let k = 0; k < a.length; k++) product += a[k]! * b[k]!;
      sum[i * n + j]! += weight * product;
      if (i !== j) sum[j * n + i]! += weight * product;
    }
  }
}
