import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { IGNORED_LABEL } from '../../engine/labels.js';
import { DiffoError, usageError } from '../../errors.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { type RandomStream, randomStream } from '../../random.js';
import type { Offset, Tokenizer } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';
import { wordsOf } from '../encoding/words.js';

declare module '../../engine/batch.js' {
  interface EncodedExample {
    /** Masked tokens: what the tokens are, and which may be masked. */
    readonly masking?: Masking;
  }
}

/** What a sequence is masked by. */
export interface Masking {
  /** The tokens as they are. */
  readonly ids: Int32Array;
  /** By token: which of the units that are masked as one it belongs to, counted from 0; -1 for one that is never masked. */
  readonly units: Int32Array;
  /** Number of the sequence in its split: what is masked follows from it, the seed and the step. */
  readonly sequence: number;
  readonly rule: MaskRule;
}

/** How tokens are masked; the same for all sequences of a task. */
export interface MaskRule {
  /** Share of units that are masked. */
  readonly probability: number;
  readonly maskTokenId: number;
  /** Ids that a masked token may be replaced by are below it. */
  readonly vocabSize: number;
}

/** Of masked tokens (arXiv 1810.04805, section 3.1): those that become the mask, and those that become any token. */
const [shareOfMasks, shareOfRandom] = [0.8, 0.1];

/** What is masked where no step draws it: of dev rows, and of whatever is computed of an example by itself. */
const fixed = { seed: 0, step: -1 };

/** An example with other tokens masked: by the seed, the step and its number alone. */
export function remasked(
  example: EncodedExample,
  at: { readonly seed: number; readonly step: number },
): EncodedExample {
  const { masking } = example;
  return masking === undefined ? example : masked(example, randomStreamOf(masking, at));
}

export interface MaskedOptions {
  readonly maxLength: number;
  readonly probability: number;
  /** Tokens of a word are masked together. */
  readonly wholeWords: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Texts as sequences with masked tokens. What is longer than a sequence goes on in another, so that nothing is cut off; no sequence
 * holds two texts. Special tokens are never masked, unknown tokens among them, as in transformers' DataCollatorForLanguageModeling.
 *
 * @returns sequences with a fixed mask; sequences of one text share its index
 * @throws DiffoError where the tokenizer has no mask token, or the length leaves no room
 */
export async function maskedSequences(
  opened: Pick<OpenedModel, 'model' | 'tokenizer'>,
  examples: readonly Example[],
  { maxLength, probability, wholeWords, signal }: MaskedOptions,
): Promise<EncodedExample[]> {
  const { model, tokenizer } = opened;
  const room = maxLength - tokenizer.specialTokensOfOne;
  if (room < 1) {
    throw usageError(`A maximum length of ${maxLength} tokens has no room for a text and special tokens. Raise it.`);
  }
  const vocabSize = Math.min(model.vocabSize, tokenizer.highestId + 1);
  const rule: MaskRule = { probability, maskTokenId: maskTokenOf(opened).id, vocabSize };
  const special = specialIds(tokenizer);
  const sequences: EncodedExample[] = [];
  const encode = ({ text }: Example, index: number) => {
    const { ids, words } = wholeWords
      ? wordedTokens(tokenizer, text)
      : { ids: tokenizer.encodePlain(text), words: undefined };
    for (let start = 0; start < ids.length; start += room) {
      const own = ids.slice(start, start + room);
      const enclosed = tokenizer.enclose(own);
      const units = new Int32Array(enclosed.ids.length).fill(-1);
      let count = -1;
      let word: number | undefined;
      for (const [i, id] of own.entries()) {
        if (special.has(id)) continue;
        const of = words?.[start + i];
        if (of === undefined || of !== word) count++;
        word = of;
        units[enclosed.start + i] = count;
      }
      if (count < 0) continue;
      const masking: Masking = { ids: Int32Array.from(enclosed.ids), units, sequence: sequences.length, rule };
      const tokenTypeIds = Int32Array.from(enclosed.tokenTypeIds);
      const plain = { inputIds: masking.ids, tokenTypeIds, label: undefined, index, masking };
      sequences.push(masked(plain, randomStreamOf(masking, fixed)));
    }
  };
  await mapInTurns(examples, encode, signal);
  return sequences;
}

/** The mask token of a tokenizer. @throws DiffoError where it has none */
export function maskTokenOf({ model, tokenizer }: Pick<OpenedModel, 'model' | 'tokenizer'>): {
  readonly token: string;
  readonly id: number;
} {
  const token = tokenizer.specialTokens.mask_token;
  const id = token === undefined ? undefined : tokenizer.tokenToId(token);
  if (token !== undefined && id !== undefined) return { token, id };
  throw new DiffoError(
    `${model.checkpoint.folder} names no mask token (mask_token). Add it to tokenizer_config.json, or take a model that was trained with one.`,
  );
}

function specialIds(tokenizer: Tokenizer): ReadonlySet<number> {
  const ids = Object.values(tokenizer.specialTokens).map((token) => tokenizer.tokenToId(token));
  return new Set(ids.flatMap((id) => (id === undefined ? [] : [id])));
}

/** Tokens, and the word of each: as BERT's tokenizer cuts words before it looks at pieces. */
function wordedTokens(tokenizer: Tokenizer, text: string): { ids: readonly number[]; words: number[] } {
  const { ids, offsets } = tokenizer.encodePlaced(text);
  const words = wordsOf(text);
  let word = 0;
  const isBefore = ([, end]: Offset, [start]: Offset) => end <= start;
  return {
    ids,
    words: offsets.map((offset) => {
      while (word < words.length - 1 && isBefore(words[word]!, offset)) word++;
      return word;
    }),
  };
}

function randomStreamOf({ sequence }: Masking, { seed, step }: { seed: number; step: number }): RandomStream {
  return randomStream(seed, 'mask', step, sequence);
}

/** A sequence masked anew. At least one unit is, so that there is something to learn. */
function masked(
  example: Omit<EncodedExample, 'masking'> & { masking?: Masking },
  stream: RandomStream,
): EncodedExample {
  const { ids, units, rule } = example.masking!;
  const count = 1 + units.reduce((highest, unit) => Math.max(highest, unit), -1);
  const isMasked = Array.from({ length: count }, () => stream.uniform() < rule.probability);
  if (!isMasked.includes(true)) isMasked[stream.integer(count)] = true;
  const inputIds = Int32Array.from(ids);
  const tokenLabels = new Int32Array(ids.length).fill(IGNORED_LABEL);
  for (const [i, unit] of units.entries()) {
    if (unit < 0 || !isMasked[unit]) continue;
    tokenLabels[i] = ids[i]!;
    const drawn = stream.uniform();
    if (drawn < shareOfMasks) inputIds[i] = rule.maskTokenId;
    else if (drawn < shareOfMasks + shareOfRandom) inputIds[i] = stream.integer(rule.vocabSize);
  }
  return { ...example, inputIds, tokenLabels };
}
