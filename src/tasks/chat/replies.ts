import type { Example } from '../../data/types.js';
import type { Decoder } from '../../infer/decoder.js';
import { generate } from '../../infer/generate.js';
import { sharedOut } from '../../infer/sharedOut.js';
import { stopIds } from '../../infer/stopIds.js';
import { stopScanner } from '../../infer/stopWords.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import type { Ranks } from '../../mpi/ranks.js';
import { decodeStream } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';
import type { ChatFormat } from './chatFormat.js';
import { naming } from './chatSequences.js';
import { type Conversation, isAssistant, isPlain, type PlainText } from './conversation.js';
import { fewerTurns } from './fewerTurns.js';

/** What an example asks: its turns before the last answer; a text without turns is what the user says. */
function asked({ text, conversation }: Example, isAnswered: boolean): Conversation | PlainText {
  if (conversation === undefined) return { messages: [{ role: 'user', content: text }] };
  if (isPlain(conversation) || !isAnswered) return conversation;
  const { messages } = conversation;
  return { ...conversation, messages: messages.slice(0, messages.findLastIndex(isAssistant)) };
}

export interface PromptOptions {
  readonly format: ChatFormat;
  /** Tokens that a prompt may have. */
  readonly room: number;
  /** The last answer of each example is not shown: it is what is to be written. */
  readonly isAnswered: boolean;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Prompts in tokens, ready for the answer. What is too long loses whole turns at its front, and then the beginning of what is left. */
export async function chatPrompts(
  { tokenizer }: Pick<OpenedModel, 'tokenizer'>,
  examples: readonly Example[],
  { format, room, isAnswered, warn, signal }: PromptOptions,
): Promise<(readonly number[])[]> {
  let cut = 0;
  const encode = (example: Example): readonly number[] => {
    const conversation = asked(example, isAnswered);
    let ids: readonly number[] = [];
    let isFirst = true;
    if (isPlain(conversation)) {
      ids = tokenizer.encode(conversation.plain).ids;
      isFirst = ids.length <= room;
    } else {
      const { tools } = conversation;
      for (const messages of fewerTurns(conversation.messages)) {
        ids = tokenizer.encodePlain(format.renderer.render(messages, { tools, addGenerationPrompt: true }));
        if (ids.length <= room) break;
        isFirst = false;
      }
    }
    if (!isFirst) cut++;
    return ids.slice(Math.max(0, ids.length - room));
  };
  const prompts = await mapInTurns(examples, (example) => naming(example, () => encode(example)), signal);
  if (cut > 0) warn(`${cut} of ${examples.length} chats have lost turns at their front, to leave room for an answer.`);
  return prompts;
}

export interface ReplyOptions {
  readonly format: ChatFormat;
  readonly maxNewTokens: number;
  readonly signal?: AbortSignal | undefined;
  readonly onDone?: ((done: number, tokens: number) => void) | undefined;
  /** Ranks that share the prompts out. */
  readonly ranks?: Ranks | undefined;
}

/** What the model answers to each prompt, greedily, up to the mark that ends its turn. */
export async function writeReplies(
  decoder: Decoder,
  opened: OpenedModel,
  prompts: readonly (readonly number[])[],
  { format, maxNewTokens, signal, onDone, ranks }: ReplyOptions,
): Promise<string[]> {
  const { tokenizer, model } = opened;
  const stopTokenIds = await replyStops(opened, format);
  const options = { temperature: 0, maxNewTokens, stopTokenIds, maxLength: model.maxLength, seed: 0, signal };
  let tokens = 0;
  return sharedOut(prompts, ranks, async (prompt, i) => {
    const [characters, words] = [decodeStream(tokenizer), stopScanner(format.stopWords)];
    let text = '';
    for await (const id of generate(decoder, prompt, options)) {
      tokens++;
      text += words.push(characters.push(id));
      if (words.found) break;
    }
    text += words.push(characters.end()) + words.end();
    onDone?.(i + 1, tokens);
    return text.trim();
  });
}

/** Tokens that end an answer: the mark of the format, and what ends a text of the model. */
export async function replyStops(
  opened: Pick<OpenedModel, 'model' | 'tokenizer'>,
  { stopTokenIds }: ChatFormat,
): Promise<number[]> {
  const { eosTokenId } = opened.tokenizer;
  const ends = eosTokenId === undefined ? [] : [eosTokenId];
  return [...new Set([...stopTokenIds, ...(await stopIds(opened)), ...ends])];
}
