import type { Tokenizer } from './types.js';

/** Turns ids into text as they come. */
export interface DecodeStream {
  /** The text that this id completes; empty while a character is not whole. */
  push(id: number): string;
  /** What is left at the end: the replacement character for an unfinished one. */
  end(): string;
}

/** Ids that are decoded together: more than any one character takes. */
const window = 64;

/**
 * Decodes ids one by one. The pieces put together are the text of all ids, special tokens left out: a piece is given
 * out only when no byte of a character is missing.
 */
export function decodeStream(tokenizer: Pick<Tokenizer, 'decode'>): DecodeStream {
  let ids: number[] = [];
  let given = '';
  const text = () => tokenizer.decode(ids, { skipSpecialTokens: true });
  return {
    push(id) {
      ids.push(id);
      const whole = text();
      if (whole.endsWith('\ufffd') && ids.length < window) return '';
      const piece = whole.slice(given.length);
      given = whole;
      if (ids.length >= window) {
        // The last ids stay, since what a token is written as depends on what stands before it.
        ids = ids.slice(-window / 4);
        given = text();
      }
      return piece;
    },
    end() {
      const piece = text().slice(given.length);
      ids = [];
      given = '';
      return piece;
    },
  };
}
