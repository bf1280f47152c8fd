import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { readingRequest } from '../apiError.js';
import { only, readBody } from '../readBody.js';
import type { Route } from '../route.js';
import type { ServedModel } from '../servedModel.js';
import { wholeText, writeText } from '../writeText.js';
import { checkPrompt, generationShape, now, usageOf, writeOptions, writingOf } from './generation.js';
import { type ChunkForm, streamedChunks } from './streamed.js';
import { eachText, refuseUnknownIds, textsOrIds } from './tokenIds.js';

const schema = z.strictObject({
  ...generationShape,
  prompt: textsOrIds,
  best_of: only(1),
  echo: only(false),
  logprobs: only(),
  suffix: only(''),
});

/** Tokens of an answer where a request does not say, as OpenAI has it. */
const usualTokens = 16;

/** OpenAI's completions: what goes on from a prompt as it stands; of several prompts, a choice each. */
export const completions: Route = {
  path: '/v1/completions',
  async answer({ body, signal }, { model: find, metrics }) {
    const asked = readBody(body, schema);
    const served = find(asked.model);
    const writing = await writingOf(served);
    const prompts = promptsOf(asked.prompt, served);
    for (const prompt of prompts) checkPrompt(prompt, writing, served, 'prompt');
    const options = writeOptions(asked, usualTokens, writing);
    const texts = prompts.map((prompt) => writeText(writing, served, prompt, options, signal));
    const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion', created: now(), model: served.name };
    const label = { model: served.name };
    const promptTokens = prompts.reduce((sum, { length }) => sum + length, 0);
    metrics.promptTokens.add(label, promptTokens);
    const choice = (text: string, finish: string | null, index: number) => ({
      index,
      text,
      logprobs: null,
      finish_reason: finish,
    });
    const counted = (tokens: number) => metrics.generatedTokens.add(label, tokens);
    if (asked.stream === true) {
      const form: ChunkForm = {
        head,
        piece: (text, index) => choice(text, null, index),
        end: (finish, index) => choice('', finish, index),
      };
      return { events: streamedChunks(texts, asked, promptTokens, form, counted) };
    }
    const written = await Promise.all(texts.map(wholeText));
    const tokens = written.reduce((sum, one) => sum + one.tokens, 0);
    counted(tokens);
    return {
      object: {
        ...head,
        choices: written.map(({ text, finish }, index) => choice(text, finish, index)),
        usage: usageOf(promptTokens, tokens),
      },
    };
  },
};

/** @throws ApiError (400) for ids that the model does not have */
function promptsOf(prompt: z.output<typeof schema>['prompt'], served: ServedModel): (readonly number[])[] {
  return eachText(prompt).map((one) => {
    if (typeof one === 'string') return readingRequest('prompt', () => served.tokenizer.encode(one).ids);
    refuseUnknownIds('The prompt', one, served, 'prompt');
    return one;
  });
}
