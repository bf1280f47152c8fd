import { constant, ops, type Tensor } from '../graph/index.js';
import { masked } from './layers.js';

/**
 * What is added to attention scores so that no token sees a later one: 0 or the most negative float, [seq, total].
 * Batches are padded on the right, where no token looks, so padding needs no mask of its own.
 * @param queries int64 [seq], @param keys int64 [total]: positions
 * @param window number of positions that a token sees, its own included; undefined for all
 */
export function causalBias(queries: Tensor, keys: Tensor, window?: number): Tensor {
  const query = ops.reshape(ops.cast(queries, 'float32'), [queries.shape[0]!, 1]);
  const key = ops.reshape(ops.cast(keys, 'float32'), [1, keys.shape[0]!]);
  const causal = ops.where(ops.greater(key, query), constant(masked), constant(0));
  if (window === undefined) return causal;
  return ops.where(ops.greater(query, ops.add(key, constant(window - 1))), constant(masked), causal);
}
