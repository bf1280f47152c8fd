import { expect } from 'vitest';

export { type Oracle, oraclePath, readOracle, type TensorKeys } from './oracleFiles.js';

export interface Tolerance {
  /** Share of the expected element. */
  readonly relative: number;
  /** Absolute; covers elements that cancel to nearly zero and carry the rounding of the terms that cancelled. */
  readonly floor: number;
}

/** Every element differs from the expected one by at most `relative` of it plus `floor`. */
export function expectClose(
  what: string,
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
  { relative, floor }: Tolerance,
): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  let [worst, excess] = [0, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < expected.length; i++) {
    const wanted = Number(expected[i]);
    const over = Math.abs(Number(actual[i]) - wanted) - relative * Math.abs(wanted) - floor;
    if (over > excess || Number.isNaN(over))
      [worst, excess] = [i, Number.isNaN(over) ? Number.POSITIVE_INFINITY : over];
  }
  expect(
    excess,
    `${what}: element ${worst} is ${actual[worst]}, expected ${expected[worst]}; beyond the tolerance by`,
  ).toBeLessThanOrEqual(0);
}
