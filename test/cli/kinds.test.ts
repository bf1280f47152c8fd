import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oraclePath } from '../fixtures.js';
import { diffora, resultOf, temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const animals = ['man', 'film', 'book'];
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

describe('answers in passages from the command line', () => {
  const passages = Array.from({ length: 24 }, (_, i) => {
    const good = animals[i % 3]!;
    const context = `${'it was so dull '.repeat(i % 4)}the ${good} is good and the ${animals[(i + 1) % 3]} is bad`;
    return { question: 'what is good', context, good };
  });
  const run = () => folder.path('span');
  let description: string;

  beforeAll(async () => {
    // Every fourth question is one that its passage does not answer.
    const rows = passages.map(({ question, context, good }, i) =>
      i % 4 === 3
        ? { question: 'who are you', context, answers: { text: [], answer_start: [] } }
        : { question, context, answers: { text: [good], answer_start: [context.indexOf(good)] } },
    );
    await writeFile(folder.path('questions.jsonl'), lines(rows));
    description = folder.path('questions.yaml');
    const metrics = '[f1, exact_match, best_f1, best_exact_match]';
    await writeFile(description, `kind: span\ntrain: questions.jsonl\ndev: questions.jsonl\nmetrics: ${metrics}\n`);
  });

  it('are learned, also where windows are shorter than passages and questions have none', async () => {
    const settings = ['--rank', '8', '--lr', '1e-2', '--epochs', '30', '--batch-size', '12', '--max-length', '16'];
    const task = ['--model', tinyModel, '--task', description, '--stride', '5'];
    const record = await json(
      'train',
      '--threads',
      '1',
      ...task,
      ...settings,
      '--method',
      'diffora',
      '--output',
      run(),
    );
    const { f1, exact_match: exact, best_f1: best } = record.scores.dev;
    // Always "no answer" would be 0.25.
    expect(exact).toBeGreaterThan(0.7);
    expect(f1).toBeGreaterThanOrEqual(exact);
    expect(best).toBeGreaterThanOrEqual(f1);
    const again = await json('eval', '--adapter', run(), '--task', description, '--stride', '5');
    expect(again.scores).toEqual(record.scores.dev);
  });

  it('are predicted with their place in the passage', async () => {
    const { context, good } = passages[0]!;
    const question = ['--text', 'what is good', '--pair', context];
    const found = await json('predict', '--adapter', run(), ...question);
    expect(found.answer).toBe(good);
    expect(context.slice(found.start, found.end)).toBe(good);
    const none = await json('predict', '--adapter', run(), ...question, '--null-score-diff-threshold', '-1000');
    expect(none).toMatchObject({ answer: '', start: 0, end: 0 });
    const plain = await diffora('predict', '--adapter', run(), ...question);
    expect(plain.stdout).toBe(`${good}\n`);
  });

  it('are merged into a checkpoint whose own head gives the same', async () => {
    const merged = folder.path('span-merged');
    await json('merge', '--adapter', run(), '--output', merged);
    expect(JSON.parse(await readFile(join(merged, 'config.json'), 'utf8')).architectures).toEqual([
      'BertForQuestionAnswering',
    ]);
    const { context, good } = passages[0]!;
    const own = await json('predict', '--model', merged, '--text', 'what is good', '--pair', context);
    expect(own.answer).toBe(good);
  });

  it('have no Gram matrix', async () => {
    const { code, stderr } = await diffora(
      ...['train', '--model', tinyModel, '--task', description, '--method', 'lora', '--select', 'gram'],
      ...['--max-length', '32', '--threads', '1', '--output', folder.path('gram')],
    );
    expect(code).toBe(2);
    expect(stderr).toContain('The Gram matrix is that of classes or scores; this task has neither.');
  });
});

describe.each(['llama', 'gpt2'])('texts from the command line, %s', (family) => {
  const words = ['good', 'bad', 'no'];
  const run = () => folder.path(`text-${family}`);
  const description = () => folder.path(`texts-${family}.yaml`);

  beforeAll(async () => {
    const model = folder.path(family);
    await cp(oraclePath('families', family), model, { recursive: true });
    const letters = [...'abcdefghijklmnopqrstuvwxyz'];
    const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...letters, ...letters.map((one) => `##${one}`)];
    await writeFile(join(model, 'vocab.txt'), `${vocabulary.join('\n')}\n`);
    // The words' template ends a text by [SEP], which a prompt must not have.
    const config = { tokenizer_class: 'BertTokenizer', pad_token: '[PAD]', eos_token: '[MASK]', model_max_length: 20 };
    await writeFile(join(model, 'tokenizer_config.json'), JSON.stringify(config));
    const rows = Array.from({ length: 18 }, (_, i) => ({
      asked: `${'abc'[i % 3]}${'xyz'.slice(0, i % 4)}`,
      written: words[i % 3],
      any: words,
    }));
    await writeFile(folder.path('texts.jsonl'), lines(rows));
    await writeFile(
      description(),
      [
        'kind: language',
        'train: texts.jsonl',
        'dev: texts.jsonl',
        'columns: { text: asked, label: written, choices: any }',
        'prompt: "{text} is "',
        'maxNewTokens: 6',
        'metrics: [accuracy, generated_accuracy, exact_match, bleu, nist, rouge_l, log_likelihood, perplexity]',
      ].join('\n'),
    );
  });

  it('are learned: chosen, written and read', async () => {
    const settings = ['--rank', '8', '--lr', '2e-2', '--epochs', '40', '--batch-size', '9', '--max-length', '20'];
    const task = ['--model', folder.path(family), '--task', description()];
    const record = await json('train', '--threads', '1', ...task, ...settings, '--method', 'lora', '--output', run());
    const { scores } = record;
    expect(scores.dev.accuracy).toBe(1);
    // The tiny decoder of words splits them into letters, which it decodes with spaces away.
    expect(scores.dev.generated_accuracy).toBe(1);
    expect(scores.dev.exact_match).toBe(1);
    expect(scores.dev.rouge_l).toBe(1);
    expect(scores.dev.perplexity).toBeCloseTo(Math.exp(-scores.dev.log_likelihood), 10);
    const again = await json('eval', '--adapter', run(), '--task', description(), '--metrics', 'accuracy');
    expect(again.scores).toEqual({ accuracy: 1 });
  });

  it('have no head to be trained otherwise', async () => {
    const flags = [
      '--model',
      folder.path(family),
      '--task',
      description(),
      '--head-lr',
      '1',
      '--output',
      folder.path('none'),
    ];
    expect(await diffora('train', ...flags)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`texts-${family} is of the kind language. Leave it out.`),
    });
  });

  it('are predicted, and written by generate', async () => {
    const predicted = await json('predict', '--adapter', run(), '--text', 'axy');
    expect(predicted).toEqual({ text: 'good' });
  });
});
