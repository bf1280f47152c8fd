import type { SamplingOptions } from '../infer/sample.js';
import { stopScanner } from '../infer/stopWords.js';
import { decodeStream } from '../tokenize/index.js';
import type { ServedModel, Writing } from './servedModel.js';

export interface WriteOptions extends SamplingOptions {
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Words that end the text; they are no part of it. */
  readonly stop: readonly string[];
  /** Tokens that end it. */
  readonly stopTokenIds: readonly number[];
}

/** How a text ended, in OpenAI's words, and how many tokens were made for it. */
export interface WrittenEnd {
  readonly finish: 'stop' | 'length';
  readonly tokens: number;
}

/** Pieces of the text that goes on from a prompt, as they come: none of them ends within a character or a stop word. */
export async function* writeText(
  { write }: Writing,
  { tokenizer }: Pick<ServedModel, 'tokenizer'>,
  prompt: readonly number[],
  { stop, ...options }: WriteOptions,
  signal: AbortSignal,
): AsyncGenerator<string, WrittenEnd> {
  const [characters, words] = [decodeStream(tokenizer), stopScanner(stop)];
  const ids = write(prompt, options, signal);
  let tokens = 0;
  try {
    for (let next = await ids.next(); ; next = await ids.next()) {
      const piece = words.push(next.done === true ? characters.end() : characters.push(next.value));
      if (next.done !== true) tokens++;
      if (piece !== '') yield piece;
      if (words.found) return { finish: 'stop', tokens };
      if (next.done !== true) continue;
      const rest = words.end();
      if (rest !== '') yield rest;
      return { finish: next.value === 'stop' ? 'stop' : 'length', tokens };
    }
  } finally {
    await ids.return('length');
  }
}

/** The whole text. */
export async function wholeText(
  pieces: AsyncGenerator<string, WrittenEnd>,
): Promise<WrittenEnd & { readonly text: string }> {
  const found: string[] = [];
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) return { ...next.value, text: found.join('') };
    found.push(next.value);
  }
}
