import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../src/serve/serve.js';
import { chatModel } from '../tasks/chat/chatModel.js';
import { writingModel } from '../tasks/seq2seq/writingModel.js';
import { diffora, resultOf, temporaryFolder } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const model = () => folder.path('model');
const run = () => folder.path('run');
const rows = () => folder.path('rows.jsonl');
const lines = (all: readonly unknown[]) => all.map((row) => `${JSON.stringify(row)}\n`).join('');

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

const words = ['cab', 'bad', 'fed', 'gab', 'had', 'jab', 'lad', 'mad'];
const pairs = Array.from({ length: 24 }, (_, i) => {
  const word = words[i % words.length]!;
  return { source: `${word} ${'xyz'[i % 3]}`, target: word[0]!.repeat(2) };
});

beforeAll(async () => {
  folder = await temporaryFolder();
  await writingModel(model());
  await writeFile(rows(), lines(pairs));
  await writeFile(
    folder.path('rows.yaml'),
    'kind: seq2seq\ntrain: rows.jsonl\ndev: rows.jsonl\nprefix: "first: "\nmaxTargetLength: 6\n',
  );
});
afterAll(() => folder.remove());

const settings = ['--rank', '8', '--threads', '1', '--batch-size', '8'];

describe('texts that are written anew', () => {
  it('are learned where DiffoRA says, over the modules of both halves', async () => {
    const flags = ['--method', 'diffora', '--epochs', '60', '--lr', '3e-2', '--search-epochs', '4'];
    const { scores } = await json(
      'train',
      '--model',
      model(),
      '--task',
      folder.path('rows.yaml'),
      ...[...flags, ...settings, '--metrics', 'loss,perplexity,rouge1,bleu,exact_match', '--output', run()],
    );
    expect(Object.keys(scores.dev)).toEqual(['loss', 'perplexity', 'rouge1', 'bleu', 'exact_match']);
    expect(scores.dev.perplexity).toBeCloseTo(Math.exp(scores.dev.loss), 6);
    expect(scores.dev.exact_match).toBe(1);
    const task = JSON.parse(await readFile(join(run(), 'adapter', 'task.json'), 'utf8'));
    expect(task.rewriting).toEqual({ prefix: 'first: ', maxTargetLength: 6, maxNewTokens: 6 });
    const config = JSON.parse(await readFile(join(run(), 'adapter', 'adapter_config.json'), 'utf8'));
    expect(config.task_type).toBe('SEQ_2_SEQ_LM');
    const dam = JSON.parse(await readFile(join(run(), 'dam.json'), 'utf8'));
    expect(dam.layers).toBe(4);
  });

  it('are predicted, scored, looked at and merged', async () => {
    const texts = folder.path('texts.txt');
    await writeFile(texts, 'cab x\nmad z\n');
    const { code, stdout, stderr } = await diffora('predict', '--adapter', run(), '--input', texts, '--threads', '1');
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('cc');
    expect(stdout).toContain('mm');
    const { scores } = await json(
      'eval',
      '--adapter',
      run(),
      '--task',
      rows(),
      '--metrics',
      'exact_match',
      '--threads',
      '1',
    );
    expect(scores).toEqual({ exact_match: 1 });
    const inspected = await diffora('inspect', run());
    expect(inspected.stdout).toContain('texts that are written anew');
    expect(inspected.stdout).toMatch(/^decoder 1 /m);
    const base = await diffora('inspect', model());
    expect(base.stdout).toMatch(/heads +SEQ_2_SEQ_LM, FEATURE_EXTRACTION/);
    expect(base.stdout).toContain('EncDecAttention.o');
    const merged = folder.path('merged');
    expect(await diffora('merge', '--adapter', run(), '--output', merged)).toMatchObject({ code: 0 });
    const own = await diffora('predict', '--model', merged, '--text', 'first: cab x', '--threads', '1');
    expect(own.stdout).toContain('cc');
    const written = await diffora('generate', '--model', merged, '--prompt', 'first: cab x', '--threads', '1');
    expect(written.stdout).toBe('cc\n');
    const byAdapter = await diffora('generate', '--adapter', run(), '--prompt', 'first: mad x', '--threads', '1');
    expect(byAdapter.stdout).toBe('mm\n');
  });

  it('are answered by a server', async () => {
    const server = await serve({ adapters: [run()], port: 0, threads: 1 });
    const ask = (path: string, body: object) =>
      fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'run', ...body }),
      }).then((response) => response.json());
    const { data } = (await ask('/v1/classify', { input: ['cab x', 'mad z'] })) as {
      data: readonly { text: string }[];
    };
    expect(data.map(({ text }) => text)).toEqual(['cc', 'mm']);
    const refused = (await ask('/v1/completions', { prompt: 'cab x' })) as { error: { message: string } };
    expect(refused.error.message).toContain('run');
    await server.close();
  });

  it('are exported in no format, which is said with what to do', async () => {
    for (const format of ['onnx', 'gguf']) {
      for (const source of [
        ['--adapter', run()],
        ['--model', model()],
      ]) {
        const { code, stderr } = await diffora('export', ...source, '--format', format, '--output', folder.path('out'));
        expect(code).toBe(1);
        expect(stderr).toMatch(
          /T5 is (a model of two halves|none of the models).*Merge it \(diffora merge\) for Python\./s,
        );
      }
    }
  });

  it('take their prefix and the longest text to write from flags, and tell of cuts', async () => {
    const flags = ['--method', 'lora', '--max-steps', '1', '--prefix', 'to: ', '--max-target-length', '2'];
    const output = folder.path('short');
    const { code, stderr } = await diffora(
      ...[
        'train',
        '--model',
        model(),
        '--task',
        rows(),
        ...flags,
        ...settings,
        '--max-length',
        '9',
        '--output',
        output,
      ],
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('texts that are read are longer than 9 tokens and were cut to that length.');
    expect(stderr).toMatch(
      /Warning: rows train: \d+ of \d+ texts to write are longer than 2 tokens and were cut to that length; see --max-target-length\./,
    );
    const task = JSON.parse(await readFile(join(output, 'adapter', 'task.json'), 'utf8'));
    expect(task.rewriting).toEqual({ prefix: 'to: ', maxTargetLength: 2, maxNewTokens: 2 });
  });

  it('may be translations as the hub has them', async () => {
    const file = folder.path('translations.jsonl');
    await writeFile(file, lines(pairs.map(({ source, target }) => ({ translation: { en: source, de: target } }))));
    const flags = ['--method', 'lora', '--max-steps', '1', ...settings];
    const { code, stderr } = await diffora(
      ...['train', '--model', model(), '--task', file, ...flags, '--output', folder.path('translated')],
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(
      'from en to de, as their keys stand (sourceLanguage and targetLanguage of a task file name others)',
    );
  });

  it('say what to do where the model is not of two halves, or the rows are not for one that is', async () => {
    const llama = await chatModel(folder.path('llama'));
    const flags = ['--method', 'lora', '--max-steps', '1', ...settings, '--output', folder.path('none')];
    expect(await diffora('train', '--model', llama, '--task', rows(), ...flags)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('for a causal model call the columns prompt and completion'),
    });
    const chats = folder.path('chats.jsonl');
    await writeFile(chats, lines(pairs.map(({ source, target }) => ({ prompt: source, completion: target }))));
    expect(await diffora('train', '--model', model(), '--task', chats, ...flags)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'T5 has no CAUSAL_LM head; it has SEQ_2_SEQ_LM. It writes a text while it reads another: give it rows of both, in columns called source and target.',
      ),
    });
  });
});
