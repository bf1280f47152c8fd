import { usageError } from '../errors.js';
import { randomStream } from '../random.js';
import type { Decoder } from './decoder.js';
import { nextToken, type SamplingOptions } from './sample.js';

export interface GenerateOptions extends SamplingOptions {
  readonly maxNewTokens: number;
  /** Ids that end the text; the one met is not given out. */
  readonly stopTokenIds: readonly number[];
  /** Longest sequence of the model: generation ends there. */
  readonly maxLength: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Why a text ended: a stop token, `maxNewTokens`, or the model's longest sequence. */
export type FinishReason = 'stop' | 'length' | 'context';

/**
 * Continues a prompt token by token. What is drawn depends on the seed and the prompt's own tokens alone.
 * @param prompt ids, at least one
 * @returns by `return`: why the text ended
 */
export async function* generate(
  decoder: Decoder,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<number, FinishReason> {
  const { maxNewTokens, maxLength, stopTokenIds, seed, signal } = options;
  if (prompt.length === 0) throw usageError('The prompt has no tokens. Give a text to continue.');
  if (prompt.length >= maxLength) {
    throw usageError(`The prompt has ${prompt.length} tokens; the model takes ${maxLength} with the answer.`);
  }
  const stream = randomStream(seed, 'generate');
  // What an encoder-decoder writes does not follow what it reads.
  const ids = decoder.startTokenId === undefined ? [...prompt] : [decoder.startTokenId];
  let { logits, state } = await decoder.next(decoder.emptyState, prompt);
  for (let made = 0; made < maxNewTokens; made++) {
    signal?.throwIfAborted();
    const id = nextToken(logits, ids, options, stream);
    if (stopTokenIds.includes(id)) return 'stop';
    yield id;
    ids.push(id);
    if (made + 1 === maxNewTokens) return 'length';
    if (ids.length >= maxLength) return 'context';
    ({ logits, state } = await decoder.next(state, [id]));
  }
  return 'length';
}
