import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { IGNORED_LABEL } from '../../engine/labels.js';
import { DiffoError } from '../../errors.js';
import type { Tokenizer } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';
import type { ChatFormat, TrainOn } from './chatFormat.js';
import { type Conversation, isAssistant, isPlain, type PlainText } from './conversation.js';
import { fewerTurns } from './fewerTurns.js';
import { tokenSpans } from './tokenSpans.js';
import { renderTurns, type Span } from './turnSpans.js';

export interface ChatSequenceOptions {
  readonly format: ChatFormat;
  readonly trainOn: TrainOn;
  /** Longest sequence in tokens. */
  readonly maxLength: number;
  /** Ends a plain text, and a conversation whose template ends no turn by a mark. */
  readonly endTokenId: number | undefined;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A conversation in tokens, and which of them are learned. */
interface Learned {
  readonly ids: readonly number[];
  /** In order. */
  readonly spans: readonly Span[];
}

/**
 * Conversations as the template writes them, with the tokens that are to be predicted: those of answers and the marks that end them. What is
 * too long loses whole turns at its front, but for what the system says; then the beginning of its last question. An answer is never cut.
 *
 * @returns a sequence for each example; undefined for one whose last answer alone is too long
 * @throws DiffoError that names the row where the template refuses it, or nothing of it is learned
 */
export async function chatSequences(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  options: ChatSequenceOptions,
): Promise<(EncodedExample | undefined)[]> {
  const sequences = await answerSequences(tokenizer, examples, ({ conversation }) => [conversation], options);
  return sequences.map((one) => one?.[0]);
}

/** What is learned of an example: a conversation, or several that differ in their last answer alone. */
export type ConversationsOf = (example: Example) => readonly (Conversation | PlainText | undefined)[];

/**
 * The same of several conversations of an example. They lose the same turns and tokens, so that what the answers are given to stays the same.
 *
 * @returns sequences of each example, in the order of its conversations; undefined for one with an answer that is too long
 */
export async function answerSequences(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  conversationsOf: ConversationsOf,
  options: ChatSequenceOptions,
): Promise<(EncodedExample[] | undefined)[]> {
  const cuts: Record<Cut, number> = { turns: 0, beginning: 0, end: 0, all: 0 };
  const encode = (example: Example, index: number): EncodedExample[] | undefined => {
    const { learned, cut } = naming(example, () => fitted(tokenizer, conversationsOf(example), options));
    if (cut !== undefined) cuts[cut]++;
    return learned?.map((one) => encoded(one, index));
  };
  const sequences = await mapInTurns(examples, encode, options.signal);
  const said = {
    turns: 'have lost turns at their front',
    beginning: 'the beginning of their last question',
    end: 'are plain texts that have lost their end',
    all: 'are left out, their last answer alone being longer',
  };
  const lost = (Object.keys(said) as Cut[]).flatMap((cut) => (cuts[cut] > 0 ? [`${cuts[cut]} ${said[cut]}`] : []));
  if (lost.length > 0) {
    options.warn(
      `of ${examples.length} chats, with at most ${options.maxLength} tokens each, ${lost.join('; ')}; see --max-length.`,
    );
  }
  return sequences;
}

/** What was done to a conversation to make it fit. */
type Cut = 'turns' | 'beginning' | 'end' | 'all';

/** Tokens of each conversation as it is before anything is cut; where an example has several, of the longest. */
export function chatLengths(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  options: Omit<ChatSequenceOptions, 'maxLength' | 'warn'>,
  conversationsOf: ConversationsOf = ({ conversation }) => [conversation],
): Promise<number[]> {
  const whole = { ...options, maxLength: Number.POSITIVE_INFINITY };
  const lengthOf = (example: Example) =>
    naming(example, () => longestOf(fitted(tokenizer, conversationsOf(example), whole).learned!));
  return mapInTurns(examples, lengthOf, options.signal);
}

type FitOptions = Omit<ChatSequenceOptions, 'warn' | 'signal'>;

interface Fitted {
  readonly learned?: readonly Learned[];
  readonly cut?: Cut;
}

function fitted(
  tokenizer: Tokenizer,
  conversations: readonly (Conversation | PlainText | undefined)[],
  options: FitOptions,
): Fitted {
  const turns = conversations.map((conversation) => {
    if (conversation === undefined) throw new DiffoError('there is nothing to learn. Add an answer or remove it.');
    return conversation;
  });
  const [only] = turns;
  return isPlain(only!)
    ? fittedText(tokenizer, only, options)
    : fittedTurns(tokenizer, turns as readonly Conversation[], options);
}

function fittedText(tokenizer: Tokenizer, { plain }: PlainText, { maxLength, endTokenId }: FitOptions): Fitted {
  const ids = withEnd(tokenizer.encode(plain).ids, endTokenId);
  const kept = ids.slice(0, maxLength);
  return {
    learned: [{ ids: kept, spans: [{ start: 1, end: kept.length }] }],
    ...(kept.length < ids.length ? { cut: 'end' } : {}),
  };
}

function fittedTurns(tokenizer: Tokenizer, conversations: readonly Conversation[], options: FitOptions): Fitted {
  const { maxLength, trainOn } = options;
  const shorter = conversations.map(({ messages }) => {
    const answered = messages.slice(0, messages.findLastIndex(isAssistant) + 1);
    if (answered.length === 0) throw new DiffoError('no turn is of the assistant. Add an answer or remove it.');
    return [...fewerTurns(answered)];
  });
  let shortest: readonly Learned[] = [];
  for (const i of shorter[0]!.keys()) {
    shortest = conversations.map((one, k) => learnedOf(tokenizer, { ...one, messages: shorter[k]![i]! }, options));
    if (longestOf(shortest) <= maxLength) return { learned: shortest, ...(i === 0 ? {} : { cut: 'turns' }) };
  }
  // Nothing predicts the first token, so that one has to stand before the answer.
  const isTooLong = ({ ids, spans }: Learned) => ids.length - spans.at(-1)!.start + 1 > maxLength;
  if (trainOn !== 'all' && shortest.some(isTooLong)) return { cut: 'all' };
  const gone = longestOf(shortest) - maxLength;
  const learned = shortest.map(({ ids, spans }) => ({
    ids: ids.slice(gone),
    spans: spans.map(({ start, end }) => ({ start: Math.max(1, start - gone), end: end - gone })),
  }));
  return { learned, cut: 'beginning' };
}

function longestOf(all: readonly Learned[]): number {
  return Math.max(...all.map(({ ids }) => ids.length));
}

function learnedOf(tokenizer: Tokenizer, conversation: Conversation, options: FitOptions): Learned {
  const { format, trainOn, endTokenId } = options;
  const { renderer, end } = format;
  const { messages } = conversation;
  const answers = [...messages.keys()].filter((i) => isAssistant(messages[i]!) && messages[i]!.weight !== 0);
  const turns = trainOn === 'all' ? [] : trainOn === 'last' ? answers.slice(-1) : answers;
  if (trainOn !== 'all' && turns.length === 0) {
    throw new DiffoError('every answer has the weight 0, so that nothing is learned. Remove it.');
  }
  const { text, spans } = renderTurns(renderer, conversation, turns, end.tail);
  const plain = tokenizer.encodePlain(text);
  const ids = end.mark === '' ? withEnd(plain, endTokenId) : plain;
  if (trainOn === 'all') return { ids, spans: [{ start: 1, end: ids.length }] };
  const placed = tokenSpans(tokenizer, text, plain, spans);
  const last = placed.at(-1)!;
  const isLast = turns.at(-1) === messages.length - 1;
  return { ids, spans: isLast && end.mark === '' ? [...placed.slice(0, -1), { ...last, end: ids.length }] : placed };
}

/** Ids with the token that ends a text. */
function withEnd(ids: readonly number[], endTokenId: number | undefined): readonly number[] {
  return endTokenId === undefined || ids.at(-1) === endTokenId ? ids : [...ids, endTokenId];
}

function encoded({ ids, spans }: Learned, index: number): EncodedExample {
  const tokenLabels = new Int32Array(ids.length).fill(IGNORED_LABEL);
  for (const { start, end } of spans) {
    for (let i = Math.max(1, start); i < end; i++) tokenLabels[i - 1] = ids[i]!;
  }
  return {
    inputIds: Int32Array.from(ids),
    tokenTypeIds: new Int32Array(ids.length),
    label: undefined,
    tokenLabels,
    index,
  };
}

/** Says of what goes wrong with an example which row it is. */
export function naming<T>({ id }: Example, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DiffoError)) throw error;
    throw new DiffoError(`Row ${id}: ${error.message}`, { cause: error, exitCode: error.exitCode });
  }
}
