import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import type { Tokenizer } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';
import type { EncodeOptions } from '../kinds/kind.js';

/**
 * Tokenises a split.
 *
 * @param maxLength tokens to keep of each example, special tokens included
 * @param warn called once, with the count, when examples had to be cut
 * @param what they are called in it
 */
export async function encodeSplit(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  options: Omit<EncodeOptions, 'stride'>,
  what = 'examples',
): Promise<EncodedExample[]> {
  let cut = 0;
  const encode = ({ text, pair, label }: Example, index: number): EncodedExample => {
    const { ids, tokenTypeIds, truncated } = tokenizer.encodeTruncated(text, pair, options.maxLength);
    if (truncated) cut++;
    return { inputIds: Int32Array.from(ids), tokenTypeIds: Int32Array.from(tokenTypeIds), label, index };
  };
  const encoded = await mapInTurns(examples, encode, options.signal);
  if (cut > 0) {
    options.warn(
      `${cut} of ${examples.length} ${what} are longer than ${options.maxLength} tokens and were cut to that length.`,
    );
  }
  return encoded;
}
