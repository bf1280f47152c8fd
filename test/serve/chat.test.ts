import { writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { generateText } from '../../src/index.js';
import { diffora } from '../cli/run.js';
import { chatModel, tinyTemplate } from '../tasks/chat/chatModel.js';
import { clientOf, servedFor } from './served.js';

/** Two adapters of a base without a template: one with marks that the tokenizer knows, one with ChatML, whose end it does not know. */
const served = servedFor(async (path) => {
  const model = await chatModel(path('base'), null);
  const rows = Array.from({ length: 10 }, (_, i) => ({
    prompt: `say ${'ab'[i % 2]}`,
    completion: 'ab'[i % 2]!.repeat(3),
  }));
  await writeFile(path('chats.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await writeFile(path('own.jinja'), tinyTemplate);
  const learned = [
    '--rank',
    '8',
    '--lr',
    '4e-2',
    '--epochs',
    '80',
    '--batch-size',
    '5',
    '--threads',
    '1',
    '--max-length',
    '64',
  ];
  const names = ['own', 'chatml'];
  for (const name of names) {
    const template = ['--chat-template', name === 'own' ? path('own.jinja') : name];
    const task = ['--model', model, '--task', path('chats.jsonl'), '--method', 'lora', ...template];
    const { code, stderr } = await diffora('train', ...task, ...learned, '--output', path(name));
    expect(code, stderr).toBe(0);
  }
  return { adapters: names.map((name) => path(name)), model };
});

describe('an adapter that was trained on chats', () => {
  let client: ReturnType<typeof clientOf>;
  beforeAll(() => {
    client = clientOf(served.server);
  });

  it.each(['own', 'chatml'])(
    'answers by the template that it was trained with, and stops where that ends a turn: %s',
    async (model) => {
      const messages = [{ role: 'user' as const, content: 'say b' }];
      const usual = { temperature: 0, max_completion_tokens: 40 };
      const { choices, usage } = await client.chat.completions.create({ model, messages, ...usual });
      const [choice] = choices;
      expect(choice).toMatchObject({ message: { content: 'bbb' }, finish_reason: 'stop' });
      const asked = { adapter: served.path(model), prompts: ['say b'], chat: true };
      const [written] = await generateText({ ...asked, temperature: 0, maxNewTokens: 40, seed: 1, threads: 1 });
      expect(written).toMatchObject({ text: 'bbb', finish: 'stop' });
      expect(usage!.completion_tokens).toBe(written!.tokens);
      const stream = await client.chat.completions.create({ model, messages, ...usual, stream: true });
      let streamed = '';
      for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? '';
      expect(streamed).toBe('bbb');
    },
  );

  it('leaves a base without a template without one', async () => {
    const asked = { model: 'base', messages: [{ role: 'user' as const, content: 'say b' }] };
    await expect(client.chat.completions.create(asked)).rejects.toThrow('The model base has no chat template.');
  });
});
