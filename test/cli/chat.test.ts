import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { selectionNames } from '../../src/selection/registry.js';
import { chatModel, tinyTemplate } from '../tasks/chat/chatModel.js';
import { diffora, resultOf, temporaryFolder } from './run.js';
import { startDiffora } from './started.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const model = () => folder.path('model');
const run = () => folder.path('run');
const chats = () => folder.path('chats.jsonl');
const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

const system = { role: 'system', content: 'be kind' };
const rows = Array.from({ length: 10 }, (_, i) => ({
  messages: [
    system,
    { role: 'user', content: `say ${'ab'[i % 2]}` },
    { role: 'assistant', content: 'ab'[i % 2]!.repeat(3) },
  ],
}));

beforeAll(async () => {
  folder = await temporaryFolder();
  await chatModel(model());
  await writeFile(chats(), lines(rows));
  await writeFile(folder.path('chats.yaml'), 'kind: chat\ntrain: chats.jsonl\ndev: chats.jsonl\nmaxNewTokens: 24\n');
});
afterAll(() => folder.remove());

const settings = ['--rank', '8', '--lr', '4e-2', '--threads', '1', '--batch-size', '5'];

describe('chats from the command line', () => {
  it('are learned where DiffoRA says, the loss getting lower and the best kept', async () => {
    const evaluated = [
      '--eval-steps',
      '20',
      '--early-stopping',
      '3',
      '--metrics',
      'loss,perplexity,rouge_l,exact_match',
    ];
    const record = await json(
      ...['train', '--model', model(), '--task', folder.path('chats.yaml'), '--method', 'diffora', '--epochs', '80'],
      ...[...settings, ...evaluated, '--output', run()],
    );
    const { dev } = record.scores;
    // What the oracle's random output weights allow; before training it is above 4.
    expect(dev.loss).toBeLessThan(1.1);
    expect(dev.perplexity).toBeCloseTo(Math.exp(dev.loss), 8);
    expect(dev).toMatchObject({ rouge_l: 1, exact_match: 1 });
    const lines = (await readFile(join(run(), 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    const evaluations = lines.map((line) => JSON.parse(line)).filter(({ phase }) => phase === 'evaluate');
    const losses: number[] = evaluations.map(({ scores }) => scores.loss);
    expect(losses.length).toBeGreaterThan(1);
    // The adapter is that of the lowest loss, not of the highest.
    expect(dev.loss).toBe(Math.min(...losses));
  });

  it('are scored by loss and perplexity, and by what is written where that is asked for', async () => {
    const task = ['eval', '--adapter', run(), '--task', chats()];
    const { scores } = await json(...task);
    expect(Object.keys(scores)).toEqual(['loss', 'perplexity', 'rouge_l', 'exact_match']);
    expect(Object.keys((await json(...task, '--metrics', 'bleu,loss')).scores)).toEqual(['bleu', 'loss']);
    expect(await diffora(...task, '--metrics', 'f1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is not measured so'),
    });
  });

  it('are answered: a text, rows with and without their answers, and by generate', async () => {
    expect(await json('predict', '--adapter', run(), '--text', 'say b')).toHaveProperty('text');
    const asked = [{ messages: rows[0]!.messages.slice(0, 2) }, rows[1], { prompt: 'say a' }];
    await writeFile(folder.path('asked.jsonl'), lines(asked));
    const { predictions } = await json('predict', '--adapter', run(), '--input', folder.path('asked.jsonl'));
    expect(predictions.slice(0, 2)).toEqual([{ text: 'aaa' }, { text: 'bbb' }]);
    const chat = ['generate', '--adapter', run(), '--chat', '--system', 'be kind', '--prompt', 'say b'];
    expect(await json(...chat)).toMatchObject({ text: 'bbb', tokens: 3, finish: 'stop' });
    expect((await diffora(...chat)).stdout).toBe('bbb\n');
  });

  it('are said in one line, in which form they are', async () => {
    const { stderr } = await diffora('eval', '--adapter', run(), '--task', chats());
    expect(stderr).toContain(`Chats of ${chats()}: 10 rows, messages (OpenAI)\n`);
  });

  it('are read from a list in JSON, and from columns of a table', async () => {
    await writeFile(folder.path('list.json'), JSON.stringify(rows));
    await writeFile(folder.path('pairs.csv'), `prompt,completion\n${'say a,aaa\nsay b,bbb\n'.repeat(4)}`);
    await cp(join(import.meta.dirname, '../data/fixtures/parquet/chats.parquet'), folder.path('chats.parquet'));
    for (const file of ['list.json', 'pairs.csv', 'chats.parquet']) {
      const { scores } = await json('eval', '--adapter', run(), '--task', folder.path(file), '--metrics', 'loss');
      expect(scores.loss).toBeGreaterThan(0);
    }
  });

  it('are merged into a checkpoint that answers the same', async () => {
    await json('merge', '--adapter', run(), '--output', folder.path('merged'));
    const chat = ['--chat', '--system', 'be kind', '--prompt', 'say a'];
    expect(await json('generate', '--model', folder.path('merged'), ...chat)).toMatchObject({ text: 'aaa' });
  });
});

describe('where adapters for chats go', () => {
  const short = ['--rank', '2', '--threads', '1', '--batch-size', '5', '--max-steps', '2', '--max-length', '32'];
  const task = () => ['--model', model(), '--task', chats()];
  // A matrix of a file, a list of modules and a Gram matrix of classes are none that a task of texts is chosen by.
  const given: readonly string[] = ['list', 'gram'];

  it.each(selectionNames.filter((name) => !given.includes(name)))('is chosen by %s', async (name) => {
    const how = name === 'uniform' ? ['--budget', '900'] : [];
    const flags = ['--method', 'lora', '--select', name, ...how, ...short];
    const { scores } = await json('train', ...task(), ...flags, '--output', folder.path(`by-${name}`));
    expect(scores.dev.loss).toBeGreaterThan(0);
  });

  it('is compared', async () => {
    const comparison = {
      models: [model()],
      tasks: [{ task: chats() }],
      budget: 1400,
      seeds: [1],
      learningRates: [1e-2],
      methods: [{ method: 'lora' }, { method: 'diffora' }],
      settings: { epochs: 2, batchSize: 5, searchSteps: 2 },
    };
    await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison));
    const flags = ['--output', folder.path('compared'), '--threads', '1'];
    const { code, stdout, stderr } = await startDiffora('compare', folder.path('compare.yaml'), ...flags).ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('2 done, 0 failed, 0 missing');
    const records = (await readFile(folder.path('compared', 'results.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(records.map((line) => Object.keys(JSON.parse(line).scores))).toEqual(Array(2).fill(['loss', 'perplexity']));
  });
});

describe('a base without a chat template', () => {
  const base = () => folder.path('base');
  const train = ['train', '--task'];
  beforeAll(() => chatModel(base(), null));

  it('gets ChatML, which is said, lies beside the adapter, and ends its answers', async () => {
    const output = folder.path('chatml');
    const flags = ['--model', base(), '--method', 'lora', ...settings, '--epochs', '80', '--output', output];
    const { code, stderr } = await diffora(...train, folder.path('chats.yaml'), ...flags);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(
      'Warning: chats train: the model has no chat template, and gets ChatML; --chat-template names another.',
    );
    expect(await readFile(join(output, 'adapter', 'chat_template.jinja'), 'utf8')).toContain("'<|im_start|>'");
    // The tokenizer knows the first mark alone: the other is several tokens, and stops all the same.
    const { predictions } = await json('predict', '--adapter', output, '--input', chats());
    expect(predictions.slice(0, 2)).toEqual([{ text: 'aaa' }, { text: 'bbb' }]);
    const chat = ['generate', '--adapter', output, '--chat', '--system', 'be kind', '--prompt', 'say b'];
    expect(await json(...chat)).toMatchObject({ text: 'bbb', finish: 'stop' });
    expect((await diffora(...chat)).stdout).toBe('bbb\n');
  });

  it('takes the template that is named, and keeps it', async () => {
    await writeFile(folder.path('tiny.jinja'), tinyTemplate);
    const output = folder.path('own');
    const flags = ['--model', base(), '--method', 'lora', '--max-steps', '2', ...settings, '--output', output];
    await json(...train, chats(), ...flags, '--chat-template', folder.path('tiny.jinja'));
    const task = JSON.parse(await readFile(join(output, 'adapter', 'task.json'), 'utf8'));
    expect(task.chat).toEqual({ trainOn: 'assistant', maxNewTokens: 256, template: tinyTemplate });
    expect(await readFile(join(output, 'adapter', 'chat_template.jinja'), 'utf8')).toBe(tinyTemplate);
  });

  it('cannot be talked to without one', async () => {
    const chat = ['generate', '--model', base(), '--chat', '--prompt', 'say a', '--max-new-tokens', '2'];
    expect(await diffora(...chat)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('The model has no chat template. Name one with --chat-template'),
    });
    expect((await diffora(...chat, '--chat-template', 'chatml')).code).toBe(0);
    expect(await diffora(...chat, '--chat-template', 'chatmi')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('There is no chat template "chatmi". Did you mean chatml?'),
    });
    const plain = ['generate', '--model', base(), '--prompt', 'say a', '--chat-template', 'chatml'];
    expect(await diffora(...plain)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--chat-template is read with --chat alone'),
    });
  });
});

describe('what is wrong with chats', () => {
  const asked = { role: 'user', content: 'say a' };
  const answer = { role: 'assistant', content: 'a' };
  it.each<[string, unknown, string]>([
    ['empty', { messages: [asked, { ...answer, content: '' }] }, 'turn 2 is an empty answer.'],
    ['null', { messages: [asked, { ...answer, content: null }] }, 'turn 2, of the assistant, has no content.'],
    ['order', { messages: [answer, asked] }, 'turn 1 is of the assistant, with nothing before it.'],
    ['role', { messages: [{ role: 'poet', content: 'a' }, answer] }, 'turn 1 has the unknown role "poet".'],
    ['unanswered', { messages: [asked] }, 'no turn is of the assistant'],
    ['keys', { chat: 'a' }, 'no form of a chat has the keys "chat".'],
  ])('is told by file and line: %s', async (name, row, sentence) => {
    const file = folder.path(`${name}.jsonl`);
    await writeFile(file, lines([rows[0], rows[1], row]));
    const { code, stderr } = await diffora(
      'train',
      '--model',
      model(),
      '--task',
      file,
      '--method',
      'lora',
      '--output',
      folder.path('none'),
    );
    expect(code).toBe(1);
    expect(stderr).toContain(`${file}, line 3: ${sentence}`);
  });

  it('is said of rows that the template refuses, and of answers that do not fit', async () => {
    const train = ['train', '--model', model(), '--task', chats(), '--method', 'lora', '--output', folder.path('none')];
    expect(await diffora(...train, '--chat-template', 'gemma')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Row 1: The chat template cannot be used: System role not supported.'),
    });
    expect(await diffora(...train, '--max-length', '4')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No answer of chats fits into 4 tokens. Raise --max-length.'),
    });
  });

  it('is told in lines of 60 columns on a terminal that is so narrow', async () => {
    const file = folder.path('narrow.jsonl');
    await writeFile(file, lines([rows[0], { messages: [asked] }]));
    const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true, columns: 60 })];
    const screen = { width: 60, colorLevel: 0 } as const;
    const train = ['train', '--model', model(), '--method', 'lora', '--max-steps', '1', '--threads', '1', '--task'];
    expect(await runProgram([...train, file, '--output', folder.path('none')], { stdout, stderr, screen })).toBe(1);
    const text: string = stderr.read().toString();
    expect(text.replaceAll('\n', ' ')).toContain('no turn is of the assistant, so that there is nothing to learn.');
    const long = text.split('\n').filter((line) => line.length > 60 && !line.includes(file));
    expect(long).toEqual([]);
  });
});
