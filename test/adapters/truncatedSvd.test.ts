import { describe, expect, it } from 'vitest';
import { truncatedSvd } from '../../src/adapters/truncatedSvd.js';
import { randomStream } from '../../src/random.js';

/** M = Σ s_k u_k v_kᵀ with orthonormal u and v (rows of a cosine transform), so that its singular values are known. */
function matrixOf(singular: readonly number[], rows: number, columns: number): Float32Array {
  const wave = (k: number, i: number, n: number) =>
    Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * (2 * i + 1) * k) / (2 * n));
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return singular.reduce((sum, s, k) => sum + s * wave(k, row, rows) * wave(k, column, columns), 0);
  });
}

describe('the truncated singular value decomposition', () => {
  it.each([
    [30, 50],
    [50, 30],
    [6, 5],
  ])('finds the largest singular values of [%i, %i] with their vectors', (rows, columns) => {
    const singular = [9, 7, 4, 2, 1];
    const values = matrixOf(singular, rows, columns);
    const { singularValues, left, right } = truncatedSvd(values, { rows, columns, rank: 3, iterations: 8 });
    for (const [k, s] of singularValues.entries()) expect(s).toBeCloseTo(singular[k]!, 4);
    // M v = s u
    for (let k = 0; k < 3; k++) {
      for (let row = 0; row < rows; row++) {
        const product = right[k]!.reduce((sum, v, column) => sum + values[row * columns + column]! * v, 0);
        expect(product).toBeCloseTo(singular[k]! * left[k]![row]!, 4);
      }
    }
  });

  it('leaves no more than the best approximation does, on noise', () => {
    const stream = randomStream(1, 'svd test');
    const values = Float32Array.from({ length: 40 * 60 }, () => stream.normal());
    const whole = truncatedSvd(values, { rows: 40, columns: 60, rank: 40, iterations: 30 });
    const part = truncatedSvd(values, { rows: 40, columns: 60, rank: 4, iterations: 8 });
    const energy = values.reduce((sum, value) => sum + value * value, 0);
    expect(whole.singularValues.reduce((sum, s) => sum + s * s, 0)).toBeCloseTo(energy, 1);
    for (const [k, s] of part.singularValues.entries()) {
      expect(Math.abs(s / whole.singularValues[k]! - 1)).toBeLessThan(0.01);
    }
  });
});
