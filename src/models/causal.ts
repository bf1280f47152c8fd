import { constant, type Dim, ops, type Tensor } from '../graph/index.js';
import { masked, paddingBias } from './layers.js';
import type { BatchInputs, CachePadding } from './model.js';

/**
 * What is added to attention scores so that no token sees a later one: 0 or the most negative float, [seq, total].
 * Batches are padded on the right, where no token looks, so padding needs no mask of its own.
 * @param queries [seq], @param keys [total]: positions
 * @param window number of positions that a token sees, its own included; undefined for all
 */
export function causalBias(queries: Tensor, keys: Tensor, window?: number): Tensor {
  const query = ops.reshape(ops.cast(queries, 'float32'), [queries.shape[0]!, 1]);
  const key = ops.reshape(ops.cast(keys, 'float32'), [1, keys.shape[0]!]);
  const causal = ops.where(ops.greater(key, query), constant(masked), constant(0));
  if (window === undefined) return causal;
  return ops.where(ops.greater(query, ops.add(key, constant(window - 1))), constant(masked), causal);
}

/**
 * What is added to scores where a decoder sees the whole text (`is_causal: false`): padding is hidden, and what is further
 * than the window, [batch, 1, 1 or seq, seq].
 * @param positions int64 [seq]
 * @param window the largest distance that a token sees, as masking_utils.py has it; undefined for all
 */
export function bidirectionalBias(inputs: BatchInputs, positions: Tensor, window?: number): Tensor {
  const padding = paddingBias(inputs);
  if (window === undefined) return padding;
  const place = ops.cast(positions, 'float32');
  const [query, key] = [ops.reshape(place, [place.shape[0]!, 1]), ops.reshape(place, [1, place.shape[0]!])];
  const size = constant(window);
  const near = ops.where(ops.greater(key, ops.add(query, size)), constant(masked), constant(0));
  const visible = ops.where(ops.greater(query, ops.add(key, size)), constant(masked), near);
  // Two hidden by both would be beyond what a float holds.
  return ops.where(ops.greater(constant(0), visible), visible, padding);
}

/** {@link causalBias} for sequences that are padded on whichever side: no token sees padding, [batch, 1, seq, total]. */
export function paddedCausalBias({ places, attentionMask }: CachePadding, keys: Tensor, window?: number): Tensor {
  const [batch, total] = attentionMask.shape as [Dim, Dim];
  const isToken = ops.reshape(ops.cast(attentionMask, 'float32'), [batch, 1, 1, total]);
  return ops.where(ops.greater(isToken, constant(0)), causalBias(places, keys, window), constant(masked));
}
