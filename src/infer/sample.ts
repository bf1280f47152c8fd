import type { RandomStream } from '../random.js';

/** How the next token is chosen, by transformers' names and in its order (generation/logits_process.py). */
export interface SamplingOptions {
  /** 0: the likeliest token (greedy). Otherwise logits are divided by it before the draw. */
  readonly temperature: number;
  /** Draw among the k likeliest only. */
  readonly topK?: number | undefined;
  /** Draw among the likeliest tokens whose probabilities just reach p (nucleus sampling, arXiv 1904.09751). */
  readonly topP?: number | undefined;
  /** Logits of tokens that occurred before are divided (where positive) or multiplied by it (arXiv 1909.05858). */
  readonly repetitionPenalty?: number | undefined;
}

/**
 * The next token.
 * @param logits [vocab], left as they are
 * @param previous ids of prompt and continuation, for the repetition penalty
 * @param stream drawn from once, unless greedy
 */
export function nextToken(
  logits: Float32Array,
  previous: readonly number[],
  { temperature, topK, topP, repetitionPenalty = 1 }: SamplingOptions,
  stream: RandomStream,
): number {
  const scores = repetitionPenalty === 1 ? logits : penalised(logits, previous, repetitionPenalty);
  if (temperature === 0) return argmax(scores);
  // Ties go to the lower id, so that the order never depends on the sort.
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  const candidates = topK === undefined ? order : order.slice(0, topK);
  const highest = scores[candidates[0]!]!;
  const weights = candidates.map((id) => Math.exp((scores[id]! - highest) / temperature));
  const count = topP === undefined ? weights.length : nucleus(weights, topP);
  const total = weights.slice(0, count).reduce((sum, weight) => sum + weight, 0);
  let left = stream.uniform() * total;
  for (let i = 0; i < count; i++) {
    left -= weights[i]!;
    if (left < 0) return candidates[i]!;
  }
  return candidates[count - 1]!;
}

/** Index of the largest value; the first of equal ones, as torch.argmax on a CPU. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function penalised(logits: Float32Array, previous: readonly number[], penalty: number): Float32Array {
  const scores = logits.slice();
  for (const id of new Set(previous)) scores[id] = scores[id]! > 0 ? scores[id]! / penalty : scores[id]! * penalty;
  return scores;
}

/** Number of leading weights whose sum just reaches p of the whole; at least 1. */
function nucleus(weights: readonly number[], p: number): number {
  const wanted = p * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const last = weights.findIndex((weight) => {
    sum += weight;
    return sum >= wanted;
  });
  return last < 0 ? weights.length : last + 1;
}
