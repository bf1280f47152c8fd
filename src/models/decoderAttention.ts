import { multiplyDims, ops, type Tensor } from '../graph/index.js';
import type { LayerInputs } from './decoder.js';
import { mergeHeads } from './layers.js';
import type { BuildHooks, LayerCache } from './model.js';
import { stepAttention } from './stepAttention.js';

interface DecoderAttention {
  /** Of the new tokens, turned by their positions where the model does so: [batch, heads, seq, headSize]. */
  readonly query: Tensor;
  /** [batch, key-value heads, seq, headSize] */
  readonly key: Tensor;
  readonly value: Tensor;
  /** Number of positions that a token sees, its own included; left out: all. */
  readonly window?: number | undefined;
  /** Factor on scores; left out: 1/√headSize. */
  readonly alpha?: number | undefined;
  /** What becomes of scores before the bias; left out: nothing. */
  readonly limit?: ((scores: Tensor) => Tensor) | undefined;
  /** Rate of dropout of weights. */
  readonly dropout: number;
}

/**
 * Attention of new tokens to themselves and to a cache, and the cache with them or, of a step, of them alone. Queries of a group that
 * shares keys (arXiv 2305.13245) stand below each other, so that keys are not repeated.
 * @returns mixed [batch*seq, heads*headSize]
 */
export function decoderAttention(
  { query, key: newKey, value: newValue, window, alpha, limit = (scores) => scores, dropout }: DecoderAttention,
  { places, past, kept }: LayerInputs,
  hooks: BuildHooks,
): { readonly mixed: Tensor; readonly cache: LayerCache } {
  const { batch, seq, total } = places;
  const [, heads, , headSize] = query.shape as [unknown, number, unknown, number];
  const keyValueHeads = newKey.shape[1] as number;
  const group = heads / keyValueHeads;
  const rows = multiplyDims([group, seq]);
  const inGroups = (x: Tensor, columns: typeof total) =>
    group === 1 ? x : ops.reshape(x, [batch, keyValueHeads, rows, columns]);
  const apart = (x: Tensor, columns: typeof total) => (group === 1 ? x : ops.reshape(x, [batch, heads, seq, columns]));
  const append = (before: Tensor | undefined, now: Tensor) => (before ? ops.concat([before, now], 2, total) : now);
  const cache = { key: append(past?.key, newKey), value: append(past?.value, newValue) };
  const scaling = alpha ?? 1 / Math.sqrt(headSize);
  const grouped = inGroups(query, headSize);
  const bias = places.bias(window);
  if (kept !== undefined) {
    const mixed = stepAttention({ query: grouped, added: cache, past: kept, bias, alpha: scaling, limit });
    return { mixed: mergeHeads(apart(mixed, headSize)), cache };
  }
  const scores = limit(ops.matmul(grouped, cache.key, { transB: true, alpha: scaling }));
  const weights = hooks.dropout(ops.softmax(ops.add(apart(scores, total), bias)), dropout);
  return { mixed: mergeHeads(apart(ops.matmul(inGroups(weights, total), cache.value), headSize)), cache };
}
