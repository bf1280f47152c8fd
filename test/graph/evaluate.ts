import type { Tensor } from '../../src/graph/index.js';
import { openSession, type Value } from '../../src/runtime/session.js';

/** Compiles a graph, runs it once and releases it. */
export async function evaluate<Name extends string>(
  outputs: Readonly<Record<Name, Tensor>>,
  feeds: Readonly<Record<string, Value>> = {},
): Promise<Record<Name, Value>> {
  const session = await openSession(outputs, { threads: 1 });
  try {
    return (await session.run(feeds)) as Record<Name, Value>;
  } finally {
    await session.release();
  }
}

export const floats = (shape: readonly number[], values: ArrayLike<number>): Value => ({
  data: Float32Array.from(values),
  shape,
});

export const int64s = (shape: readonly number[], values: readonly number[]): Value => ({
  data: BigInt64Array.from(values, BigInt),
  shape,
});
