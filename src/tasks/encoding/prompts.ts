import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { IGNORED_LABEL } from '../../engine/labels.js';
import { DiffoError } from '../../errors.js';
import type { Tokenizer } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';
import type { Generation } from '../kinds/kind.js';

/** Tokens of what stands before the answer. */
export function encodePrompt(tokenizer: Tokenizer, { prompt }: Generation, { text }: Example): readonly number[] {
  return tokenizer.encode(prompt.replace('{text}', () => text)).ids;
}

export interface PromptOptions {
  readonly generation: Generation;
  /** Longest sequence in tokens, prompt, reference and end together. */
  readonly maxLength: number;
  /** The token that ends a text, learned after the reference. */
  readonly endTokenId: number;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Prompts with the first reference of each example: its tokens and the end are to be predicted, those of the prompt are
 * not. The two are tokenised apart, as they are when a text is written. What is too long loses the beginning of its
 * prompt, and only where the reference alone is too long the end of that.
 *
 * @throws DiffoError for an example without a reference
 */
export async function promptSequences(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  { generation, maxLength, endTokenId, warn, signal }: PromptOptions,
): Promise<EncodedExample[]> {
  let [cutPrompts, cutAnswers] = [0, 0];
  const encode = (example: Example, index: number): EncodedExample => {
    const { prompt, answer } = partsOf(tokenizer, generation, example, endTokenId);
    const kept = prompt.slice(Math.max(0, prompt.length + answer.length - maxLength));
    // Nothing predicts the first token, so that one of the prompt has to stay.
    const before = kept.length > 0 ? kept : prompt.slice(-1);
    const after = answer.slice(0, maxLength - before.length);
    if (before.length < prompt.length) cutPrompts++;
    if (after.length < answer.length) cutAnswers++;
    const ids = [...before, ...after];
    const tokenLabels = Int32Array.from(ids, (_, i) =>
      i + 1 >= before.length ? (ids[i + 1] ?? IGNORED_LABEL) : IGNORED_LABEL,
    );
    return {
      inputIds: Int32Array.from(ids),
      tokenTypeIds: new Int32Array(ids.length),
      label: example.label,
      tokenLabels,
      index,
    };
  };
  const sequences = await mapInTurns(examples, encode, signal);
  const lost = [
    ...(cutPrompts > 0 ? [`${cutPrompts} have lost the beginning of their prompt`] : []),
    ...(cutAnswers > 0 ? [`${cutAnswers} the end of their text, with the token that ends it`] : []),
  ];
  if (lost.length > 0) {
    warn(
      `of ${examples.length} texts, with at most ${maxLength} tokens each, ${lost.join(' and ')}; see --max-length.`,
    );
  }
  return sequences;
}

/** Tokens of each sequence as it is before anything is cut. @throws DiffoError for an example without a reference */
export function promptLengths(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  { generation, endTokenId, signal }: Pick<PromptOptions, 'generation' | 'endTokenId' | 'signal'>,
): Promise<number[]> {
  const lengthOf = (example: Example) => {
    const { prompt, answer } = partsOf(tokenizer, generation, example, endTokenId);
    return prompt.length + answer.length;
  };
  return mapInTurns(examples, lengthOf, signal);
}

function partsOf(tokenizer: Tokenizer, generation: Generation, example: Example, endTokenId: number) {
  const reference = example.references?.[0];
  if (reference === undefined) throw new DiffoError(`Row ${example.id} has no text to learn. Add one or remove it.`);
  const prompt = encodePrompt(tokenizer, generation, example);
  return { prompt, answer: [...tokenizer.encodePlain(reference), endTokenId] };
}
