import { constant, type Dim, ops, type Tensor } from '../graph/index.js';
import { masked } from './layers.js';
import type { LayerCache, StepInputs } from './model.js';

/** Name of the size of what a token of a step may see: itself and all rows of the cache. */
export const seen = 'seen';

/**
 * What is added to the scores of a step [batch, 1, 1, 1 + past], the new token itself first: 0, or the most negative float for what
 * stands in a row of the cache behind its text, or before the window.
 * @param window number of positions that a token sees, its own included; undefined for all
 */
export function stepBias({ lengths, past }: StepInputs, window?: number): Tensor {
  const [batch, size] = [lengths.shape[0]!, past[0]!.key.shape[2]!];
  const length = ops.reshape(ops.cast(lengths, 'float32'), [batch, 1, 1, 1]);
  const place = ops.reshape(ops.cast(ops.range(size), 'float32'), [1, 1, 1, size]);
  const isWithin = ops.greater(length, place);
  const within = ops.where(isWithin, constant(0), constant(masked));
  // The own position is `length`, so that the window begins at length − window + 1.
  const visible =
    window === undefined
      ? within
      : ops.where(ops.greater(place, ops.sub(length, constant(window))), within, constant(masked));
  return ops.concat([ops.zeros([batch, 1, 1, 1]), visible], 3, seen);
}

/** One query a head, or several that share a key-value head, against the cache and the new token. */
export interface StepAttention {
  /** [batch, heads, queries, headSize] */
  readonly query: Tensor;
  /** Of the new token [batch, heads, 1, headSize]. */
  readonly added: LayerCache;
  /** [batch, heads, past, headSize]: read where it lies, nothing is appended. */
  readonly past: LayerCache;
  readonly bias: Tensor;
  /** Factor on the products of queries and keys. */
  readonly alpha: number;
  /** What becomes of scores before the bias; left out: nothing. */
  readonly limit?: (scores: Tensor) => Tensor;
}

/** softmax(α q [k_new; K]ᵀ + bias) [v_new; V], in two parts so that the cache is never copied: [batch, heads, queries, headSize]. */
export function stepAttention({ query, added, past, bias, alpha, limit = (x) => x }: StepAttention): Tensor {
  const length: Dim = past.key.shape[2]!;
  const scores = [added.key, past.key].map((key) => ops.matmul(query, key, { transB: true, alpha }));
  const weights = ops.softmax(ops.add(limit(ops.concat(scores, 3, seen)), bias));
  const ofNew = ops.matmul(ops.slice(weights, { axis: 3, start: 0, length: 1 }), added.value);
  return ops.add(ops.matmul(ops.slice(weights, { axis: 3, start: 1, length }), past.value), ofNew);
}
