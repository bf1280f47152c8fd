import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { usageError } from '../../errors.js';
import type { Offset, PlacedTokens, Tokenizer } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';

/** Tokens of a question that are kept, as BERT's script for SQuAD has it. */
const longestQuestion = 64;
/** Tokens that neighbouring windows share where nothing is said, as transformers' run_qa.py has it. */
const usualStride = 128;

export interface WindowOptions {
  /** Longest sequence in tokens: question, window and special tokens. */
  readonly maxLength: number;
  /** Tokens that neighbouring windows share. Default 128, or half a window where that is less. */
  readonly stride?: number | undefined;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Questions with their passages, a long passage in windows that overlap, so that no answer is cut by all of them. The
 * first answer of an example is what a window is to find; one that does not hold all of it is to point at the first
 * token (BERT, arXiv 1810.04805, section 4.3).
 *
 * @throws DiffoError (usage) where a window is not longer than what windows share
 */
export async function passageWindows(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  { maxLength, stride, warn, signal }: WindowOptions,
): Promise<EncodedExample[]> {
  const place = rememberingLast((text) => tokenizer.encodePlaced(text));
  const forTexts = maxLength - tokenizer.specialTokensOfPair;
  let cutQuestions = 0;
  const windowsOf = (example: Example, index: number): EncodedExample[] => {
    const question = tokenizer.encodePlain(example.text);
    const kept = question.slice(0, Math.min(longestQuestion, Math.floor(forTexts / 2)));
    if (kept.length < question.length) cutQuestions++;
    const passage = place(example.pair ?? '');
    const size = forTexts - kept.length;
    const shared = stride ?? Math.min(usualStride, Math.floor(size / 2));
    if (size <= shared) {
      throw usageError(
        `Windows of ${size} tokens beside a question of ${kept.length} cannot share ${shared}: raise --max-length or lower --stride.`,
      );
    }
    const answer = example.answers?.[0];
    const found = answer && tokensOf(passage.offsets, answer.start, answer.start + answer.text.length);
    return windowStarts(passage.ids.length, size, shared).map((start): EncodedExample => {
      const end = Math.min(start + size, passage.ids.length);
      const { ids, tokenTypeIds, secondStart } = tokenizer.join(kept, passage.ids.slice(start, end));
      const isInside = found !== undefined && found[0] >= start && found[1] < end;
      const place = (token: number) => (isInside ? secondStart + token - start : 0);
      return {
        inputIds: Int32Array.from(ids),
        tokenTypeIds: Int32Array.from(tokenTypeIds),
        label: undefined,
        ...(example.answers === undefined ? {} : { span: [place(found?.[0] ?? 0), place(found?.[1] ?? 0)] as const }),
        passage: { first: secondStart, offsets: passage.offsets.slice(start, end) },
        index,
      };
    });
  };
  const windows = (await mapInTurns(examples, windowsOf, signal)).flat();
  const empty = examples.filter(({ pair = '' }) => pair.trim() === '').length;
  if (empty > 0) warn(`${empty} of ${examples.length} passages are empty, and nothing can be answered from them.`);
  if (cutQuestions > 0) {
    warn(`${cutQuestions} of ${examples.length} questions are longer than their share of the tokens and were cut.`);
  }
  return windows;
}

/** Where windows of `size` tokens begin, each sharing `shared` with the one before; the last reaches the end. */
function windowStarts(length: number, size: number, shared: number): number[] {
  const starts = [0];
  while (starts.at(-1)! + size < length) starts.push(starts.at(-1)! + size - shared);
  return starts;
}

/** First and last token that touch the characters from `start` to `end`; undefined where none does. */
function tokensOf(offsets: readonly Offset[], start: number, end: number): [first: number, last: number] | undefined {
  const first = offsets.findIndex(([, to]) => to > start);
  const last = offsets.findLastIndex(([from]) => from < end);
  return first < 0 || last < first ? undefined : [first, last];
}

/** Questions about one passage stand together in their files. */
function rememberingLast(place: (text: string) => PlacedTokens): (text: string) => PlacedTokens {
  let last: { readonly text: string; readonly placed: PlacedTokens } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, placed: place(text) };
    return last.placed;
  };
}
