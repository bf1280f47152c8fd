import { usageError } from '../../errors.js';
import type { Offset, Tokenizer } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';
import type { EncodeOptions } from '../kinds/kind.js';

/** A text and where its words lie in it. */
export interface WordedText {
  readonly text: string;
  readonly words: readonly Offset[];
}

/** A text in tokens, special tokens included. */
export interface WordSequence {
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
  /** Position of each word's first token; -1 where it has none, because it was cut off or is nothing to the tokenizer. */
  readonly firstTokens: readonly number[];
}

/**
 * The words of a text as BERT's tokenizer cuts it before it looks at pieces (BasicTokenizer): at white space, and each
 * punctuation mark (those of Unicode and all of ASCII that is neither letter nor digit) and Chinese character by itself.
 */
export function wordsOf(text: string): Offset[] {
  const pattern = /[\p{P}$+<=>^`|~]|\p{Script=Han}|[^\p{White_Space}\p{P}$+<=>^`|~\p{Script=Han}]+/gu;
  return Array.from(text.matchAll(pattern), ({ 0: word, index }): Offset => [index, index + word.length]);
}

/** Words as one text, with a space between. */
export function joinedWords(words: readonly string[]): WordedText {
  let at = 0;
  const places = words.map((word): Offset => {
    const start = at;
    at += word.length + 1;
    return [start, start + word.length];
  });
  return { text: words.join(' '), words: places };
}

/**
 * Tokenises texts whose words have to be found again. The text is tokenised whole, as it is where nobody knows its words,
 * and cut at its end.
 *
 * @throws DiffoError where the tokenizer's tokens cannot be placed, or the length leaves no room for any
 */
export async function wordSequences(
  tokenizer: Tokenizer,
  texts: readonly WordedText[],
  options: Omit<EncodeOptions, 'stride'>,
): Promise<WordSequence[]> {
  const { maxLength, warn, signal } = options;
  const room = maxLength - tokenizer.specialTokensOfOne;
  if (room < 1) {
    throw usageError(`A maximum length of ${maxLength} tokens has no room for a text and special tokens. Raise it.`);
  }
  let cut = 0;
  const encode = ({ text, words }: WordedText): WordSequence => {
    const { ids, offsets } = tokenizer.encodePlaced(text);
    if (ids.length > room) cut++;
    const enclosed = tokenizer.enclose(ids.slice(0, room));
    return {
      inputIds: Int32Array.from(enclosed.ids),
      tokenTypeIds: Int32Array.from(enclosed.tokenTypeIds),
      firstTokens: firstTokensOf(words, offsets.slice(0, room)).map((token) =>
        token < 0 ? token : enclosed.start + token,
      ),
    };
  };
  const sequences = await mapInTurns(texts, encode, signal);
  if (cut > 0) {
    warn(`${cut} of ${texts.length} examples are longer than ${maxLength} tokens and were cut to that length.`);
  }
  return sequences;
}

/** The first of the tokens that touches each word, both being in order; -1 where none does. */
function firstTokensOf(words: readonly Offset[], tokens: readonly Offset[]): number[] {
  let token = 0;
  return words.map(([start, end]) => {
    // A token of no letters, such as a lone space mark, belongs to the word before which it stands.
    while (token < tokens.length && tokens[token]![1] <= start && tokens[token]![0] < start) token++;
    return token < tokens.length && tokens[token]![0] < end ? token : -1;
  });
}
