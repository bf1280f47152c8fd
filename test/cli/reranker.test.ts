import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadAdapter } from '../../src/library/loadAdapter.js';
import { selectionNames } from '../../src/selection/registry.js';
import { serve } from '../../src/serve/serve.js';
import { diffora, resultOf, temporaryFolder, tinyModel } from './run.js';
import { startDiffora } from './started.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const run = () => folder.path('run');

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const things = ['man', 'film', 'book', 'good', 'bad', 'dull'];
const task = () => ['--model', tinyModel, '--task', folder.path('ranked.yaml')];
const settings = ['--rank', '4', '--lr', '1e-2', '--batch-size', '6', '--threads', '1'];
const predicted = async (input: string) => {
  const output = folder.path('out.jsonl');
  await json('predict', '--adapter', run(), '--input', folder.path(input), '--output', output, '--overwrite');
  const text = await readFile(output, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
};

beforeAll(async () => {
  folder = await temporaryFolder();
  // A passage answers that names what is asked for; queries have two to four of them.
  const rows = Array.from({ length: 36 }, (_, i) => {
    const passages = Array.from(
      { length: 2 + (i % 3) },
      (_, k) => `it was ${'so '.repeat(1 + (i % 2))}${things[(i + k) % 6]}`,
    );
    const shift = i % passages.length;
    const turned = [...passages.slice(shift), ...passages.slice(0, shift)];
    return {
      query: `who is ${things[i % 6]}`,
      passages: turned,
      labels: turned.map((text) => Number(text === passages[0])),
    };
  });
  await writeFile(folder.path('rows.jsonl'), lines(rows));
  await writeFile(
    folder.path('pairs.jsonl'),
    lines(rows.slice(0, 4).flatMap(({ query, passages }) => passages.map((passage) => ({ query, passage })))),
  );
  await writeFile(folder.path('ranked.yaml'), 'kind: reranker\ntrain: rows.jsonl\ndev: rows.jsonl\nloss: LambdaLoss\n');
  const train = (...args: string[]) => json('train', ...task(), ...settings, ...args);
  // Modules are selected by DiffoRA's search.
  const record = await train('--epochs', '12', '--method', 'diffora', '--output', run());
  const before = await train('--max-steps', '1', '--lr', '1e-9', '--output', folder.path('before'));
  expect(record.scores.dev.ndcg_at_10).toBeGreaterThan(before.scores.dev.ndcg_at_10 + 0.05);
});
afterAll(() => folder.remove());

it('a pair has a score and a list a ranking, by the command, the library and the server alike', async () => {
  const pairs = await predicted('pairs.jsonl');
  const [list] = await predicted('rows.jsonl');
  expect(list.ranking).toHaveLength(2);
  for (const [i, score] of list.scores.entries()) expect(score).toBeCloseTo(pairs[i].score, 5);
  expect(list.scores[list.ranking[0]]).toBe(Math.max(...list.scores));
  const [{ query: text, passage: pair }] = (await readFile(folder.path('pairs.jsonl'), 'utf8'))
    .split('\n')
    .slice(0, 1)
    .map((line) => JSON.parse(line));
  const one = await json('predict', '--adapter', run(), '--text', text, '--pair', pair);
  expect(one.score).toBeCloseTo(1 / (1 + Math.exp(-one.logits[0])), 6);
  expect(one.score).toBeCloseTo(pairs[0].score, 5);
  const adapter = await loadAdapter(run());
  expect(await adapter.predict([{ text, pair }])).toEqual([one]);
  await adapter.close();
  const server = await serve({ adapters: [run()], port: 0, threads: 1 });
  const body = JSON.stringify({ model: server.models[0], input: { text, pair } });
  const response = await fetch(`${server.url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const { data } = (await response.json()) as { data: { score: number }[] };
  expect(data[0]!.score).toBeCloseTo(one.score, 6);
  await server.close();
});

it('is scored as it was, on the task and on a file of rows', async () => {
  const { scores } = JSON.parse(await readFile(join(run(), 'run.json'), 'utf8'));
  for (const name of ['ranked.yaml', 'rows.jsonl']) {
    const again = await json('eval', '--adapter', run(), '--task', folder.path(name));
    expect(again.scores.ndcg_at_10).toBeCloseTo(scores.dev.ndcg_at_10, 6);
  }
});

it('the merged model is a cross-encoder of one label whose scores are a sigmoid', async () => {
  await json('merge', '--adapter', run(), '--output', folder.path('merged'));
  const config = JSON.parse(await readFile(folder.path('merged', 'config.json'), 'utf8'));
  expect(config).toMatchObject({
    architectures: ['BertForSequenceClassification'],
    id2label: { 0: 'LABEL_0' },
    sentence_transformers: { activation_fn: 'torch.nn.modules.activation.Sigmoid' },
  });
});

it.each(selectionNames.filter((name) => name !== 'list'))('modules are selected by %s', async (name) => {
  const how = name === 'uniform' ? ['--budget', '1400'] : [];
  const flags = ['--method', 'lora', '--select', name, ...how, ...settings, '--epochs', '1'];
  const { scores } = await json('train', ...task(), ...flags, '--output', folder.path(`by-${name}`));
  expect(scores.dev.map).toBeGreaterThan(0);
});

it('a batch in parts is learned as the whole batch is, a query being in one part', async () => {
  const args = ['train', ...task(), ...settings, '--batch-size', '12', '--max-steps', '4', '--method', 'lora'];
  await json(...args, '--output', folder.path('whole'));
  await json(...args, '--accumulate', '4', '--output', folder.path('parts'));
  const lossesOf = async (name: string) =>
    (await readFile(folder.path(name, 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).loss as number);
  const [expected, found] = [await lossesOf('whole'), await lossesOf('parts')];
  expect(expected).toHaveLength(4);
  for (const [i, loss] of found.entries()) expect(loss).toBeCloseTo(expected[i]!, 4);
});

it('is compared and estimated, and its loss held out, as every other task', async () => {
  const comparison = {
    models: [tinyModel],
    tasks: [{ task: folder.path('ranked.yaml') }],
    budget: 1400,
    seeds: [1],
    learningRates: [1e-2],
    methods: [{ method: 'lora' }, { method: 'diffora' }],
    settings: { epochs: 1, batchSize: 6, searchSteps: 2 },
  };
  await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison));
  const flags = ['--output', folder.path('compared'), '--threads', '1'];
  const { code, stdout, stderr } = await startDiffora('compare', folder.path('compare.yaml'), ...flags).ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('2 done, 0 failed, 0 missing');
  const dry = await json('train', ...task(), ...settings, '--epochs', '1', '--dry-run', '--output', folder.path('on'));
  expect(dry).toMatchObject({ examples: { train: 36, dev: 36 }, trainSteps: 6 });
  const scored = [
    '--validation-share',
    '0.2',
    '--validation-loss',
    '--score-on',
    'dev',
    '--output',
    folder.path('held'),
  ];
  const { scores } = await json('train', ...task(), ...settings, '--max-steps', '2', ...scored);
  expect(scores.dev.map).toBeGreaterThan(0);
});
