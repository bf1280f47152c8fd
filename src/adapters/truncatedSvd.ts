import { EigenvalueDecomposition, Matrix, QrDecomposition } from 'ml-matrix';
import { randomStream } from '../random.js';

/** The largest singular values of a matrix with their vectors: M ≈ U diag(s) Vᵀ. */
export interface TruncatedSvd {
  /** Largest first. */
  readonly singularValues: Float64Array;
  /** [rank][rows]: columns of U. */
  readonly left: readonly Float64Array[];
  /** [rank][columns]: columns of V. */
  readonly right: readonly Float64Array[];
}

const oversampling = 10;

/**
 * Truncated singular value decomposition by subspace iteration from a seeded random start (Halko, Martinsson, Tropp,
 * arXiv 0909.4061, algorithms 4.4 and 5.1). Errors shrink with (σ at rank + 11 / σ at rank)^(2 · iterations).
 * @param values [rows, columns] row-major
 * @param rank at most min(rows, columns)
 */
export function truncatedSvd(
  values: Float32Array,
  { rows, columns, rank, iterations }: { rows: number; columns: number; rank: number; iterations: number },
): TruncatedSvd {
  const width = Math.min(rank + oversampling, rows, columns);
  const stream = randomStream(0, 'svd', rows, columns, rank);
  let basis: Float64Array[] = Array.from({ length: width }, () =>
    Float64Array.from({ length: columns }, () => stream.normal()),
  );
  for (let i = 0; i < iterations; i++) {
    basis = orthonormal(timesTransposed(values, orthonormal(times(values, basis, rows, columns)), rows, columns));
  }
  const range = orthonormal(times(values, basis, rows, columns));
  // M ≈ Q C with C = Qᵀ M [width, columns]; C Cᵀ = E diag(s²) Eᵀ.
  const small = timesTransposed(values, range, rows, columns);
  const gram = new Matrix(small.map((a) => small.map((b) => dot(a, b))));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  const kept = order.slice(0, rank);
  const singularValues = Float64Array.from(kept, (i) => Math.sqrt(Math.max(0, realEigenvalues[i]!)));
  const combine = (parts: readonly Float64Array[], which: number, factor: number) => {
    const sum = new Float64Array(parts[0]!.length);
    for (const [j, part] of parts.entries()) {
      const weight = factor * eigenvectorMatrix.get(j, which);
      for (let i = 0; i < sum.length; i++) sum[i]! += weight * part[i]!;
    }
    return sum;
  };
  return {
    singularValues,
    left: kept.map((i) => combine(range, i, 1)),
    right: kept.map((i, k) => combine(small, i, singularValues[k]! > 0 ? 1 / singularValues[k]! : 0)),
  };
}

/** M v for every v: [width][rows]. */
function times(values: Float32Array, vectors: readonly Float64Array[], rows: number, columns: number) {
  return vectors.map((vector) =>
    Float64Array.from({ length: rows }, (_, row) => {
      let sum = 0;
      const start = row * columns;
      for (let i = 0; i < columns; i++) sum += values[start + i]! * vector[i]!;
      return sum;
    }),
  );
}

/** Mᵀ v for every v: [width][columns]. */
function timesTransposed(values: Float32Array, vectors: readonly Float64Array[], rows: number, columns: number) {
  return vectors.map((vector) => {
    const sum = new Float64Array(columns);
    for (let row = 0; row < rows; row++) {
      const factor = vector[row]!;
      const start = row * columns;
      for (let i = 0; i < columns; i++) sum[i]! += factor * values[start + i]!;
    }
    return sum;
  });
}

function orthonormal(vectors: readonly Float64Array[]): Float64Array[] {
  const q = new QrDecomposition(new Matrix(vectors.map((one) => Array.from(one))).transpose()).orthogonalMatrix;
  return vectors.map((_, column) => Float64Array.from(q.getColumn(column)));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
