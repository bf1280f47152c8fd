import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import type { Tokenizer } from '../../tokenize/index.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import type { EncodeOptions, TextVectors } from '../kinds/kind.js';

/** What stands before a text, by what it is. */
export type Prompts = Pick<TextVectors, 'queryPrompt' | 'passagePrompt'>;

/** The text of an example as the model reads it. */
export function askedText({ text, isPassage }: Pick<Example, 'text' | 'isPassage'>, prompts: Prompts): string {
  const { queryPrompt = '', passagePrompt = '' } = prompts;
  return `${isPassage === true ? passagePrompt : queryPrompt}${text}`;
}

/** A text that is searched, as the model reads it. */
export function passageText(text: string, { passagePrompt = '' }: Prompts): string {
  return `${passagePrompt}${text}`;
}

/** Texts, each but once, with the number that each has. */
export class DistinctTexts {
  readonly texts: string[] = [];
  private readonly numbers = new Map<string, number>();

  /** The number of a text, which is new where it was not there yet. */
  numberOf(text: string): number {
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.texts.length;
      this.numbers.set(text, number);
      this.texts.push(text);
    }
    return number;
  }

  /** Token ids of each, in the order of their numbers. */
  encode(tokenizer: Tokenizer, options: EncodeOptions): Promise<EncodedExample[]> {
    const examples = this.texts.map((text, i): Example => ({ id: String(i), text }));
    return encodeSplit(tokenizer, examples, options);
  }
}

/**
 * Examples to learn from, with the texts that belong to each as further ones, and as keys the numbers of all its texts.
 * @param isApart no text may stand twice in a batch
 */
export async function encodedTexts(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  prompts: Prompts,
  isApart: boolean,
  options: EncodeOptions,
): Promise<EncodedExample[]> {
  const distinct = new DistinctTexts();
  const classes = new DistinctTexts();
  const rows = examples.map((example) => {
    const { pair, negatives = [] } = example;
    const further = [...(pair === undefined ? [] : [pair]), ...negatives];
    return [askedText(example, prompts), ...further.map((text) => passageText(text, prompts))].map((text) =>
      distinct.numberOf(text),
    );
  });
  const encoded = await distinct.encode(tokenizer, options);
  return examples.map(({ label, className }, index) => {
    const [first, ...further] = rows[index]!;
    return {
      ...encoded[first!]!,
      label: className === undefined ? label : classes.numberOf(className),
      index,
      ...(further.length === 0 ? {} : { further: further.map((number) => encoded[number]!) }),
      ...(isApart ? { keys: rows[index]! } : {}),
    };
  });
}
