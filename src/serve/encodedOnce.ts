import type { Encoding, Tokenizer } from '../tokenize/index.js';

/** Texts that are held: as many as may wait by default. */
const most = 256;

/**
 * A tokenizer for requests whose texts are first counted whole and then held to a length: where a text fits, its second encoding is
 * the first, which is given out once.
 */
export function encodedOnce(tokenizer: Tokenizer): Tokenizer {
  const held = new Map<string, Encoding>();
  const keyOf = (text: string, pair: string | undefined) => JSON.stringify([text, pair]);
  return {
    ...tokenizer,
    encode(text, pair) {
      const encoding = tokenizer.encode(text, pair);
      held.set(keyOf(text, pair), encoding);
      const [oldest] = held.keys();
      if (held.size > most) held.delete(oldest!);
      return encoding;
    },
    encodeTruncated(text, pair, maxLength) {
      const key = keyOf(text, pair);
      const found = held.get(key);
      held.delete(key);
      if (found === undefined || found.ids.length > maxLength) return tokenizer.encodeTruncated(text, pair, maxLength);
      return { ...found, truncated: false };
    },
  };
}
