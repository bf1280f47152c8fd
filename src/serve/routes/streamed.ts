import { asTheyCome } from '../asTheyCome.js';
import type { WrittenEnd } from '../writeText.js';
import { type GenerationBody, usageOf } from './generation.js';

/** What the chunks of a path look like. */
export interface ChunkForm {
  /** Fields that all of them have. */
  readonly head: object;
  /** Of each text, before it begins; left out: none. */
  readonly opening?: (index: number) => object;
  readonly piece: (text: string, index: number) => object;
  readonly end: (finish: WrittenEnd['finish'], index: number) => object;
}

/**
 * The events of texts that are streamed: pieces as they come, a choice in each, how each text ended, and the usage of all where
 * the request asks for it.
 * @param onTokens told of how many tokens were made once all are
 */
export async function* streamedChunks(
  texts: readonly AsyncGenerator<string, WrittenEnd>[],
  { stream_options: asked }: Pick<GenerationBody, 'stream_options'>,
  promptTokens: number,
  { head, opening, piece, end }: ChunkForm,
  onTokens: (tokens: number) => void,
): AsyncGenerator<object, void, undefined> {
  const withUsage = asked?.include_usage === true;
  const chunk = (choice: object) => ({ ...head, choices: [choice], ...(withUsage ? { usage: null } : {}) });
  if (opening !== undefined) for (const index of texts.keys()) yield chunk(opening(index));
  const pieces = asTheyCome(texts.map((text) => withEnd(text)));
  let tokens = 0;
  for await (const [one, index] of pieces) {
    if (typeof one === 'string') yield chunk(piece(one, index));
    else {
      tokens += one.tokens;
      yield chunk(end(one.finish, index));
    }
  }
  onTokens(tokens);
  if (withUsage) yield { ...head, choices: [], usage: usageOf(promptTokens, tokens) };
}

/** How a text ended as the last of its values. */
async function* withEnd(
  text: AsyncGenerator<string, WrittenEnd>,
): AsyncGenerator<string | WrittenEnd, void, undefined> {
  yield yield* text;
}
