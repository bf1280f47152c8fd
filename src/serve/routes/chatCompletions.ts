import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { ChatMessage } from '../../infer/chat.js';
import type { ChatFormat } from '../../tasks/chat/chatFormat.js';
import { badRequest, readingRequest } from '../apiError.js';
import { only, readBody } from '../readBody.js';
import type { Route } from '../route.js';
import type { ServedModel } from '../servedModel.js';
import { wholeText, writeText } from '../writeText.js';
import { checkPrompt, generationShape, now, usageOf, writeOptions, writingOf } from './generation.js';
import { type ChunkForm, streamedChunks } from './streamed.js';

const part = z.strictObject({ type: z.literal('text'), text: z.string() });
const schema = z.strictObject({
  ...generationShape,
  messages: z
    .array(
      z.strictObject({
        role: z.enum(['system', 'developer', 'user', 'assistant']),
        content: z.union([z.string(), z.array(part)]),
      }),
    )
    .min(1),
  max_completion_tokens: z.int().positive().nullish(),
  logprobs: only(false),
  top_logprobs: only(0),
  response_format: only({ type: 'text' }),
  modalities: only(['text']),
  tools: only([]),
  tool_choice: only('none'),
  parallel_tool_calls: z.unknown().optional(),
});

/** OpenAI's chat: the answer to a conversation, by the model's own template. */
export const chatCompletions: Route = {
  path: '/v1/chat/completions',
  async answer({ body, signal }, { model: find, metrics }) {
    const asked = readBody(body, schema);
    const served = find(asked.model);
    const writing = await writingOf(served);
    const format = formatOf(served);
    const prompt = promptOf(asked.messages, served, format);
    checkPrompt(prompt, writing, served, 'messages');
    const maxNewTokens = asked.max_completion_tokens ?? writing.maxLength - prompt.length;
    const ends = { stopTokenIds: writing.replyStopIds, stopWords: format.stopWords };
    const pieces = writeText(writing, served, prompt, writeOptions(asked, maxNewTokens, ends), signal);
    const head = { id: `chatcmpl-${randomUUID()}`, created: now(), model: served.name };
    const [label, promptTokens] = [{ model: served.name }, prompt.length];
    metrics.promptTokens.add(label, promptTokens);
    const counted = (tokens: number) => metrics.generatedTokens.add(label, tokens);
    const choice = (delta: object, finish: string | null) => ({
      index: 0,
      delta,
      logprobs: null,
      finish_reason: finish,
    });
    if (asked.stream === true) {
      const form: ChunkForm = {
        head: { ...head, object: 'chat.completion.chunk' },
        opening: () => choice({ role: 'assistant', content: '' }, null),
        piece: (content) => choice({ content }, null),
        end: (finish) => choice({}, finish),
      };
      return { events: streamedChunks([pieces], asked, promptTokens, form, counted) };
    }
    const { text, finish, tokens } = await wholeText(pieces);
    counted(tokens);
    const message = { role: 'assistant', content: text, refusal: null };
    return {
      object: {
        ...head,
        object: 'chat.completion',
        choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
        usage: usageOf(promptTokens, tokens),
      },
    };
  },
};

/** @throws ApiError (400) for a model that has no template */
function formatOf({ name, chat }: ServedModel): ChatFormat {
  if (chat !== undefined) return chat;
  throw badRequest(`The model ${name} has no chat template. Send a plain prompt to /v1/completions.`, 'model');
}

/** @throws ApiError (400) for messages that the template refuses */
function promptOf(
  messages: z.output<typeof schema>['messages'],
  { tokenizer }: ServedModel,
  { renderer }: ChatFormat,
): readonly number[] {
  const turns = messages.map(
    ({ role, content }): ChatMessage => ({
      role: role === 'developer' ? 'system' : role,
      content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
    }),
  );
  const render = () => renderer.render(turns, { addGenerationPrompt: true });
  return readingRequest('messages', () => tokenizer.encodePlain(render()));
}
