import { constant, type Dim, ops, type Tensor } from '../graph/index.js';

/** What of a text's tokens is taken for the text [batch, hidden], from states [batch*seq, hidden] and a mask [batch, seq]. */
const poolers = {
  /** The mean of all tokens, padding left out. */
  mean(states: Tensor, mask: Tensor) {
    const counted = ops.cast(mask, 'float32');
    const sum = ops.sum(ops.mul(perText(states, mask), ops.reshape(counted, [...mask.shape, 1])), {
      axes: [1],
      keepDims: false,
    });
    return ops.div(sum, ops.sum(counted, { axes: [1], keepDims: true }));
  },
  /** The first token. */
  cls(states: Tensor, mask: Tensor) {
    const first = ops.slice(perText(states, mask), { axis: 1, start: 0, length: 1 });
    return ops.reshape(first, [mask.shape[0]!, states.shape[1]!]);
  },
  /** The last token that is no padding. */
  lasttoken(states: Tensor, mask: Tensor) {
    const [batch, seq] = mask.shape as [Dim, Dim];
    const lengths = ops.sum(ops.cast(mask, 'float32'), { axes: [1], keepDims: false });
    const starts = ops.mul(ops.cast(ops.range(batch), 'float32'), ops.size(seq));
    return ops.gather(states, ops.cast(ops.sub(ops.add(starts, lengths), constant(1)), 'int64'));
  },
} satisfies Readonly<Record<string, (states: Tensor, mask: Tensor) => Tensor>>;

/** What of a text's tokens is taken for the text, by sentence-transformers' names. */
export type Pooling = keyof typeof poolers;
/** Names of all {@link Pooling}s. */
export const poolings = Object.keys(poolers) as [Pooling, ...Pooling[]];

/** How the states of a text's tokens become its vector. */
export interface VectorOptions {
  readonly pooling: Pooling;
  /** Scaled to length 1. */
  readonly normalize: boolean;
}

/** As torch's `normalize` has it. */
const leastNorm = 1e-12;

/**
 * The vectors of texts [batch, hidden].
 * @param states of every token [batch*seq, hidden]
 * @param mask int64 [batch, seq]: 0 where padding is
 */
export function textVectors(states: Tensor, mask: Tensor, { pooling, normalize }: VectorOptions): Tensor {
  const pooled = poolers[pooling](states, mask);
  return normalize ? unitVectors(pooled) : pooled;
}

/** Rows [rows, width] scaled to length 1. */
export function unitVectors(rows: Tensor): Tensor {
  const squares = ops.sum(ops.mul(rows, rows), { axes: [1], keepDims: true });
  const least = constant(leastNorm ** 2);
  // Below the root, so that its slope stays finite at 0.
  return ops.div(rows, ops.sqrt(ops.where(ops.greater(squares, least), squares, least)));
}

/** [batch*seq, hidden] → [batch, seq, hidden] */
function perText(states: Tensor, mask: Tensor): Tensor {
  return ops.reshape(states, [...mask.shape, states.shape[1]!]);
}
