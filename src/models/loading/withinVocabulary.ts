import { DiffoError } from '../../errors.js';
import type { Tokenizer } from '../../tokenize/index.js';

/**
 * A tokenizer held to the ids that a model embeds: tokens may have been added to it and not to the model, as in Python,
 * where only a text with such a token fails.
 *
 * @param rows number of ids that the model embeds
 * @param model its name, for messages
 */
export function withinVocabulary(tokenizer: Tokenizer, rows: number, model: string): Tokenizer {
  if (tokenizer.highestId < rows) return tokenizer;
  const held = (ids: readonly number[]) => {
    const beyond = ids.find((id) => id >= rows);
    if (beyond === undefined) return;
    throw new DiffoError(
      `A text holds the token ${JSON.stringify(tokenizer.decode([beyond]))} of id ${beyond}, and ${model} embeds ${rows} ids: the token was ` +
        'added to the tokenizer and not to the model. Take the token out of the text, or a model whose embeddings were resized for it.',
    );
  };
  const checked = <Encoded extends { readonly ids: readonly number[] }>(encoded: Encoded): Encoded => {
    held(encoded.ids);
    return encoded;
  };
  return {
    ...tokenizer,
    encode: (text, pair) => checked(tokenizer.encode(text, pair)),
    encodeTruncated: (text, pair, maxLength) => checked(tokenizer.encodeTruncated(text, pair, maxLength)),
    encodePlain(text) {
      const ids = tokenizer.encodePlain(text);
      held(ids);
      return ids;
    },
    encodePlaced: (text) => checked(tokenizer.encodePlaced(text)),
    join: (first, second) => checked(tokenizer.join(first, second)),
    enclose: (ids) => checked(tokenizer.enclose(ids)),
  };
}
