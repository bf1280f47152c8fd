import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderOf } from '../data/files.js';
import { diffora, letterModel, resultOf, temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let llama: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  llama = await letterModel('llama', folder.path('llama'));
});
afterAll(() => folder.remove());

const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const quick = '--method lora --rank 2 --epochs 1 --batch-size 8 --threads 1 --quiet'.split(' ');

async function train(model: string, run: string, ...args: string[]): Promise<string> {
  const output = folder.path(run);
  const { code, stderr } = await diffora('train', '--model', model, ...quick, ...args, '--output', output);
  expect(code, stderr).toBe(0);
  return output;
}

async function evaluate(adapter: string, ...args: string[]) {
  const { stdout, stderr } = await diffora('eval', '--adapter', adapter, '--threads', '1', '--json', ...args);
  expect(stdout, stderr).not.toBe('');
  return resultOf(stdout);
}

describe('eval of a span adapter', () => {
  it('scores all rows of a file, in columns or of SQuAD’s form, as a task file would', async () => {
    const asked = ['cat', 'mat'].flatMap((answer) =>
      Array.from({ length: 4 }, (_, i) => ({ id: `${answer}${i}`, answer })),
    );
    const context = 'the cat sat on the mat';
    const rows = asked.map(({ id, answer }) => ({ question: id, context, answers: answer }));
    const qas = asked.map(({ id, answer }) => ({
      id,
      question: id,
      answers: [{ text: answer, answer_start: context.indexOf(answer) }],
    }));
    const data = await folderOf({
      'a.jsonl': jsonl(rows),
      's.json': JSON.stringify({ data: [{ paragraphs: [{ context, qas }] }] }),
      't.yaml': 'kind: span\ntrain: a.jsonl\ndev: a.jsonl\n',
    });
    const run = await train(tinyModel, 'span', '--task', join(data, 't.yaml'), '--max-length', '32');
    const { scores } = await evaluate(run, '--task', join(data, 't.yaml'));
    expect(Object.keys(scores)).toEqual(['f1', 'exact_match']);
    for (const [file, name] of [
      ['a.jsonl', 'a'],
      ['s.json', 's'],
    ] as const) {
      expect(await evaluate(run, '--task', join(data, file))).toMatchObject({ task: name, examples: 8, scores });
    }
  });
});

describe('eval of a language adapter', () => {
  it('asks as it was learned, the space before an answer too, and knows the column of choices', async () => {
    const choices = ['c', 'd'];
    const rows = Array.from({ length: 6 }, (_, i) => ({ ask: 'a b', told: choices[i % 2], may: choices }));
    const data = await folderOf({
      'a.jsonl': jsonl(rows),
      'plain.jsonl': jsonl(rows.map(({ ask, told }) => ({ ask, told }))),
      't.yaml':
        'kind: language\ntrain: a.jsonl\ndev: a.jsonl\ncolumns: {text: ask, label: told, choices: may}\n' +
        'prompt: "{text} is "\nmaxNewTokens: 3\n',
    });
    const run = await train(llama, 'choice', '--task', join(data, 't.yaml'), '--max-length', '16');
    const task = JSON.parse(await readFile(join(run, 'adapter/task.json'), 'utf8'));
    expect(task).toMatchObject({ generation: { prompt: '{text} is', lead: ' ' }, columns: { choices: 'may' } });
    const { scores } = await evaluate(run, '--task', join(data, 't.yaml'));
    expect(Object.keys(scores)).toEqual(['accuracy', 'log_likelihood', 'perplexity']);
    expect(await evaluate(run, '--task', join(data, 'a.jsonl'))).toMatchObject({ examples: 6, scores });

    const without = ['eval', '--adapter', run, '--quiet', '--task', join(data, 'plain.jsonl')];
    expect(await diffora(...without)).toMatchObject({ code: 1, stderr: expect.stringMatching(/Row 1 has no choices/) });
    const one = await evaluate(run, '--task', join(data, 'plain.jsonl'), '--metrics', 'perplexity');
    expect(one.scores).toEqual({ perplexity: scores.perplexity });
  });
});

describe('an adapter of e2e', () => {
  const line = 'name : a | Type : b';
  const csv = `mr,ref\n${'"name[a], eatType[b]",a b.\nname[c],c d.\n'.repeat(4)}`;

  it('scores and predicts attributes as the set has them, on a line or as the hub calls them', async () => {
    const dataDir = await folderOf({ 'e2e/trainset.csv': csv, 'e2e/devset.csv': csv });
    const run = await train(llama, 'e2e', '--task', 'e2e', '--data-dir', dataDir, '--max-length', '16');
    const { scores, examples } = await evaluate(run, '--data-dir', dataDir);
    expect(examples).toBe(2);
    const own = await evaluate(run, '--task', join(dataDir, 'e2e/devset.csv'));
    expect(own).toMatchObject({ task: 'devset', examples: 2, scores });

    const input = folder.path('mr.jsonl');
    const raw = 'name[a], eatType[b]';
    const predict = async (row: object) => {
      await writeFile(input, `${JSON.stringify(row)}\n`);
      const { stdout, stderr } = await diffora('predict', '--adapter', run, '--input', input);
      expect(stdout, stderr).not.toBe('');
      return stdout;
    };
    const told = await predict({ mr: line });
    expect(await predict({ mr: raw })).toBe(told);
    expect(await predict({ meaning_representation: raw })).toBe(told);
    const { stdout } = await diffora('predict', '--adapter', run, '--text', raw, '--json');
    expect(resultOf(stdout)).toEqual(JSON.parse(told));
  });
});
