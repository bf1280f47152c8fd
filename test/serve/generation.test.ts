import OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GeneratedText, generateText } from '../../src/index.js';
import { clientOf, post, servedFor, writer } from './served.js';

const served = servedFor(async (path) => ({ model: await writer(path('letters')), maxBatch: 4 }));
const model = 'letters';
let client: OpenAI;
beforeAll(() => {
  client = clientOf(served.server);
});

const messages = [{ role: 'user' as const, content: 'b c' }];
/** What `diffora generate` writes. */
async function generated(
  prompt: string,
  more: Partial<Parameters<typeof generateText>[0]> = {},
): Promise<GeneratedText> {
  const usual = { temperature: 0, maxNewTokens: 6, seed: 1, threads: 1 };
  const [text] = await generateText({ model: served.path('letters'), prompts: [prompt], ...usual, ...more });
  return text!;
}

describe("OpenAI's client", () => {
  it('chats by the template of the model, to the text that diffora generate gives', async () => {
    const answer = await client.chat.completions.create({ model, messages, temperature: 0, max_completion_tokens: 6 });
    const { text, tokens } = await generated('b c', { chat: true });
    expect(answer).toMatchObject({ object: 'chat.completion', model });
    expect(answer.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: null,
        finish_reason: 'length',
      },
    ]);
    // "u b c a" by the template, with nothing around it.
    expect(answer.usage).toEqual({ prompt_tokens: 4, completion_tokens: tokens, total_tokens: 4 + tokens });
  });

  it('reads the same text as it is streamed, and its usage at the end', async () => {
    const whole = await client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 6 });
    const stream = await client.chat.completions.create({
      model,
      messages,
      temperature: 0,
      max_tokens: 6,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant');
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('length');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  it('continues prompts, a choice each, also where they are ids', async () => {
    const prompt = ['a b', 'c d e'];
    const answer = await client.completions.create({ model, prompt, temperature: 0, max_tokens: 6 });
    const expected = await Promise.all(prompt.map((one) => generated(one)));
    expect(answer.choices.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    expect(answer.choices.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([
      [0, 'length'],
      [1, 'length'],
    ]);
    // [CLS] a b [SEP] by vocab.txt of letterModel.
    const ids = await client.completions.create({ model, prompt: [2, 5, 6, 3], temperature: 0, max_tokens: 6 });
    expect(ids.choices[0]!.text).toBe(expected[0]!.text);
  });

  it('streams a completion', async () => {
    const asked = { model, prompt: 'a b', temperature: 0, max_tokens: 6, stream: true } as const;
    const pieces = [];
    for await (const { choices } of await client.completions.create(asked)) pieces.push(choices[0]!.text);
    expect(pieces.join('')).toBe((await generated('a b')).text);
  });

  it('streams several prompts together, each with its index, its end, and the usage of all', async () => {
    const prompt = ['a b', 'c d e', 'f'];
    const asked = { model, prompt, temperature: 0, max_tokens: 6, stop: ['never'] };
    const whole = await client.completions.create(asked);
    const stream = { stream: true, stream_options: { include_usage: true } } as const;
    const texts = prompt.map(() => '');
    const ends: string[] = [];
    const order: number[] = [];
    let usage: unknown;
    for await (const chunk of await client.completions.create({ ...asked, ...stream })) {
      usage = chunk.usage ?? usage;
      for (const { index, text, finish_reason } of chunk.choices) {
        texts[index] += text;
        order.push(index);
        if (finish_reason !== null) ends[index] = finish_reason;
      }
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
    expect(ends).toEqual(whole.choices.map(({ finish_reason }) => finish_reason));
    expect(usage).toEqual(whole.usage);
    // They go on together: the last begins before the first has ended.
    expect(order.indexOf(2)).toBeLessThan(order.lastIndexOf(0));
  });

  it('gets the same text for the same seed, that of diffora generate, and others for others', async () => {
    const draw = async (seed: number) => {
      const asked = { model, prompt: 'a b', temperature: 1.5, top_p: 0.9, seed, max_tokens: 8 };
      return (await client.completions.create(asked)).choices[0]!.text;
    };
    const texts = await Promise.all([1, 1, 2, 3, 4].map(draw));
    const sampling = { temperature: 1.5, topP: 0.9, seed: 1, maxNewTokens: 8 };
    expect(texts[0]).toBe((await generated('a b', sampling)).text);
    expect(texts[1]).toBe(texts[0]);
    expect(new Set(texts).size).toBeGreaterThan(1);
  });

  it('gets texts that end before a stop word', async () => {
    const whole = (await generated('a b', { maxNewTokens: 10 })).text;
    const stop = whole.slice(5, 8);
    const asked = { model, prompt: 'a b', temperature: 0, max_tokens: 10 };
    const answer = await client.completions.create({ ...asked, stop: [stop, 'never'] });
    const expected = [{ text: whole.slice(0, whole.indexOf(stop)), finish_reason: 'stop' }];
    expect(answer.choices).toMatchObject(expected);
    let streamed = '';
    for await (const { choices } of await client.completions.create({ ...asked, stop, stream: true })) {
      streamed += choices[0]!.text;
    }
    expect(streamed).toBe(expected[0]!.text);
  });

  it('lists the models', async () => {
    expect((await client.models.list()).data).toMatchObject([{ id: model, object: 'model', owned_by: 'diffora' }]);
    expect(await client.models.retrieve(model)).toMatchObject({ id: model });
    await expect(client.models.retrieve('other')).rejects.toThrow('nearest: letters');
  });

  it('is told in its own form what is wrong', async () => {
    const failure = await client.chat.completions.create({ model: 'leters', messages }).catch((error) => error);
    expect(failure).toBeInstanceOf(OpenAI.NotFoundError);
    expect(failure).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect(failure.message).toContain('There is no model "leters" here; nearest: letters.');
  });
});

describe('texts that are asked for together', () => {
  it('are each what they are alone, more of them than are written at a time', async () => {
    const prompts = Array.from({ length: 11 }, (_, i) => [...'abcdefghijklmnop'.slice(0, 1 + (i % 7))].join(' '));
    const ask = async (prompt: string, i: number) => {
      const asked = { model, prompt, seed: i, temperature: i % 2, max_tokens: 1 + (i % 5) };
      return (await client.completions.create(asked)).choices[0]!.text;
    };
    const together = await Promise.all(prompts.map(ask));
    for (const [i, prompt] of prompts.entries()) expect(together[i]).toBe(await ask(prompt, i));
    const metrics = await (await fetch(`${served.server.url}/metrics`)).text();
    expect(metrics).toMatch(/^diffora_batch_rows_bucket\{model="letters",work="generate",le="4"\} \d+$/m);
  });

  it('leave room for others once their clients have gone away', async () => {
    const endless = { model, prompt: 'a', max_tokens: 40, temperature: 2, stream: true } as const;
    const gone = Array.from({ length: 6 }, async () => {
      const stream = await client.completions.create(endless);
      for await (const _ of stream) break;
      stream.controller.abort();
    });
    await Promise.all(gone);
    const answer = await client.completions.create({ model, prompt: 'a b', temperature: 0, max_tokens: 6 });
    expect(answer.choices[0]!.text).toBe((await generated('a b')).text);
  });
});

describe('a request for a text', () => {
  const usual = { model, prompt: 'a b' };
  it.each([
    ['/v1/completions', 'n', { ...usual, n: 2 }, 'n: only 1 is offered here.'],
    ['/v1/completions', 'logprobs', { ...usual, logprobs: 3 }, 'logprobs: not offered here; leave it out.'],
    ['/v1/completions', 'logit_bias', { ...usual, logit_bias: { 5: 1 } }, 'only {} is offered here'],
    ['/v1/completions', 'min_p', { ...usual, min_p: 0.1 }, 'unknown key "min_p"'],
    ['/v1/completions', 'temperature', { ...usual, temperature: 'hot' }, 'temperature is "hot"'],
    ['/v1/completions', 'max_tokens', { ...usual, max_tokens: 0 }, 'max_tokens is 0'],
    ['/v1/completions', 'stop', { ...usual, stop: '' }, 'stop is ""'],
    ['/v1/completions', 'prompt', { ...usual, prompt: [99] }, 'has the id 99'],
    ['/v1/completions', 'prompt', { model }, 'prompt is missing'],
    ['/v1/completions', 'prompt', { ...usual, prompt: 'a '.repeat(10_000) }, 'has 10002 tokens; letters takes'],
    ['/v1/chat/completions', 'messages', { model, messages: [] }, 'messages is []'],
    ['/v1/chat/completions', 'tools', { model, messages, tools: [{}] }, 'tools: only [] is offered here'],
    ['/v1/chat/completions', 'messages', { model, messages: [{ role: 'tool', content: '' }] }, 'one of system'],
    [
      '/v1/chat/completions',
      'messages',
      { model, messages: [{ role: 'user', content: 'a '.repeat(10_000) }] },
      'tokens; letters takes',
    ],
    ['/v1/classify', 'model', { model, input: 'a' }, 'Ask /v1/completions or /v1/chat/completions'],
  ])('is refused by name: %s, %s', async (path, param, body, message) => {
    const response = await post(served.server, path, body);
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error).toMatchObject({ type: 'invalid_request_error', param });
    expect(error.message).toContain(message);
  });

  it('may say what changes nothing', async () => {
    const neutral = { n: 1, user: 'me', logprobs: null, frequency_penalty: 0, logit_bias: {}, metadata: { a: 1 } };
    expect((await post(served.server, '/v1/completions', { ...usual, ...neutral })).status).toBe(200);
  });
});

describe('a model without a chat template', () => {
  const plain = servedFor(async (path) => ({ model: await writer(path('plain'), false) }));

  it('says so, and continues prompts', async () => {
    const response = await post(plain.server, '/v1/chat/completions', { model: 'plain', messages });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { message: 'The model plain has no chat template. Send a plain prompt to /v1/completions.' },
    });
    expect((await post(plain.server, '/v1/completions', { model: 'plain', prompt: 'a' })).status).toBe(200);
  });
});
