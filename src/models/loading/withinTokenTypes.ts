import { DiffoError } from '../../errors.js';
import type { Encoding, Tokenizer } from '../../tokenize/index.js';
import type { Model } from '../model.js';

/** A tokenizer held to the token types (segments) that a model tells apart: most have two, for a pair; some have one. */
export function withinTokenTypes(
  tokenizer: Tokenizer,
  { checkpoint, tokenTypes }: Pick<Model, 'checkpoint' | 'tokenTypes'>,
): Tokenizer {
  if (tokenTypes === undefined || tokenTypes > 1) return tokenizer;
  const held = <Encoded extends Encoding>(encoding: Encoded): Encoded => {
    const beyond = encoding.tokenTypeIds.find((type) => type >= tokenTypes);
    if (beyond === undefined) return encoding;
    throw new DiffoError(
      `A pair of texts has token type ${beyond}, and ${checkpoint.name} has type_vocab_size ${tokenTypes}: it was not made for pairs. ` +
        'Take one column of text, or another model.',
    );
  };
  return {
    ...tokenizer,
    encode: (text, pair) => held(tokenizer.encode(text, pair)),
    encodeTruncated: (text, pair, maxLength) => held(tokenizer.encodeTruncated(text, pair, maxLength)),
    join: (first, second) => held(tokenizer.join(first, second)),
    enclose: (ids) => held(tokenizer.enclose(ids)),
  };
}
