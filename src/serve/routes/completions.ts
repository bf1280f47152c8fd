import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { badRequest, readingRequest } from '../apiError.js';
import { mapped } from '../mapped.js';
import { only, readBody } from '../readBody.js';
import type { Route } from '../route.js';
import type { ServedModel } from '../servedModel.js';
import { wholeText, writeText } from '../writeText.js';
import { checkPrompt, generationShape, now, usageOf, writeOptions, writingOf } from './generation.js';
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
    if (asked.stream === true && prompts.length > 1) {
      throw badRequest('Several prompts are not streamed together. Send them one by one, or without stream.', 'stream');
    }
    const options = writeOptions(asked, usualTokens, writing);
    const texts = prompts.map((prompt) => writeText(writing, served, prompt, options, signal));
    const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion', created: now(), model: served.name };
    const label = { model: served.name };
    const promptTokens = prompts.reduce((sum, { length }) => sum + length, 0);
    metrics.promptTokens.add(label, promptTokens);
    const choice = (text: string, finish: string | null, index = 0) => ({
      index,
      text,
      logprobs: null,
      finish_reason: finish,
    });
    if (asked.stream === true) {
      const withUsage = asked.stream_options?.include_usage === true;
      return { events: chunks() };
      async function* chunks() {
        const chunk = (text: string, finish: string | null) => ({
          ...head,
          choices: [choice(text, finish)],
          ...(withUsage ? { usage: null } : {}),
        });
        const end = yield* mapped(texts[0]!, (text) => chunk(text, null));
        metrics.generatedTokens.add(label, end.tokens);
        yield chunk('', end.finish);
        if (withUsage) yield { ...head, choices: [], usage: usageOf(promptTokens, end.tokens) };
      }
    }
    const written = await Promise.all(texts.map(wholeText));
    const tokens = written.reduce((sum, one) => sum + one.tokens, 0);
    metrics.generatedTokens.add(label, tokens);
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
