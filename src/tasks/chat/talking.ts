import * as z from 'zod';
import type { CardUse } from '../../adapters/card.js';
import type { Example } from '../../data/types.js';
import { openDecoder } from '../../infer/decoder.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import type { Tokenizer } from '../../tokenize/index.js';
import type { Adapted, Answerer, EncodeOptions, KindFacts, TaskAsked } from '../kinds/kind.js';
import type { WrittenPrediction } from '../kinds/writtenAnswer.js';
import { type ChatFacts, chatFormat, trainedTurns } from './chatFormat.js';
import { chatPrompts, writeReplies } from './replies.js';

declare module '../kinds/kind.js' {
  interface KindFacts {
    /** How a model is talked to, and what of a conversation is learned. */
    readonly chat?: ChatFacts | undefined;
  }
}

/** Tokens of an answer where a task file does not say. */
export const usualNewTokens = 256;

/** {@link ChatFacts} in a file. */
export const chatFactsSchema = z
  .strictObject({
    template: z.string().optional(),
    trainOn: z.enum(trainedTurns),
    maxNewTokens: z.int().positive(),
  })
  .optional();

/** How a task's models are talked to, where it says so, and else as is usual. */
export function talkOf({ chat }: KindFacts): ChatFacts {
  return chat ?? { trainOn: 'assistant', maxNewTokens: usualNewTokens };
}

/** Says that a model which has no template of its own gets the usual one. */
export function warnOfUsual(opened: OpenedModel, task: TaskAsked, { warn }: Pick<EncodeOptions, 'warn'>): void {
  if (chatFormat(opened.tokenizer, task.chat).source !== 'usual') return;
  warn('the model has no chat template, and gets ChatML; --chat-template names another.');
}

/** Prompts of conversations in tokens, with room for an answer. @param isAnswered see PromptOptions */
export function promptsOf(
  opened: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  isAnswered: boolean,
  { warn, signal }: Pick<EncodeOptions, 'warn' | 'signal'>,
): Promise<(readonly number[])[]> {
  const { maxLength } = opened.model;
  const room = Math.max(1, Math.floor(maxLength / 2), maxLength - talkOf(task).maxNewTokens);
  const format = chatFormat(opened.tokenizer, task.chat);
  return chatPrompts(opened, examples, { format, room: Math.min(room, maxLength - 1), isAnswered, warn, signal });
}

/** Answers as the next turn of a conversation, a text without turns being what the user says. */
export async function replyAnswerer(
  { opened, plan, parameters }: Adapted,
  { threads }: { readonly threads: number },
): Promise<Answerer> {
  const decoder = await openDecoder(opened.model, { plan, parameters, threads });
  return {
    async answer(task, examples, options) {
      const format = chatFormat(opened.tokenizer, task.chat);
      const { maxNewTokens } = talkOf(task);
      const prompts = await promptsOf(opened, task, examples, false, options);
      const written = await writeReplies(decoder, opened, prompts, { ...options, format, maxNewTokens });
      return written.map((text): WrittenPrediction => ({ text }));
    },
    release: decoder.release,
  };
}

/** The template of a task's models, where it is not their own. */
export function ownTemplate({ chat }: KindFacts, tokenizer: Tokenizer): string | undefined {
  const { template, source } = chatFormat(tokenizer, chat);
  return source === 'model' ? undefined : template;
}

/** How an adapter for conversations is used. */
export const talkingCard: CardUse = {
  pipeline: 'text-generation',
  model: 'AutoModelForCausalLM',
  line: [
    'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")',
    'messages = [{"role": "user", "content": "a question"}]',
    'asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)',
    'text = tokenizer.decode(model.generate(**asked, max_new_tokens=64)[0, asked["input_ids"].shape[1]:])',
  ].join('\n'),
};
