import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadAdapter } from '../../src/library/loadAdapter.js';
import { diffora, resultOf, temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const run = () => folder.path('run');

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const things = ['man', 'film', 'book', 'good', 'bad', 'dull'];
const task = () => ['--model', tinyModel, '--task', folder.path('pairs.yaml')];
const settings = ['--rank', '4', '--lr', '1e-2', '--batch-size', '6', '--threads', '1'];

beforeAll(async () => {
  folder = await temporaryFolder();
  const rows = Array.from({ length: 36 }, (_, i) => ({
    query: `${'who is '.repeat(1 + (i % 3))}${things[i % 6]}`,
    passage: `${things[(i + 1 + Math.floor(i / 6)) % 6]} ${'it was so '.repeat(1 + (i % 2))}${things[i % 6]}`,
  }));
  await writeFile(folder.path('rows.jsonl'), lines(rows));
  await writeFile(
    folder.path('pairs.yaml'),
    'kind: embedding\ntrain: rows.jsonl\ndev: rows.jsonl\nqueryPrompt: "is it "\n',
  );
  // Modules are selected by DiffoRA's search.
  const record = await json(
    'train',
    ...task(),
    ...settings,
    '--epochs',
    '12',
    '--method',
    'diffora',
    '--output',
    run(),
  );
  const before = await json(
    'train',
    ...task(),
    ...settings,
    '--max-steps',
    '1',
    '--lr',
    '1e-9',
    '--output',
    folder.path('before'),
  );
  expect(record.scores.dev.ndcg_at_10).toBeGreaterThan(before.scores.dev.ndcg_at_10 + 0.1);
});
afterAll(() => folder.remove());

it('a text gets a vector of length 1, a passage with the prompt of passages, and the library gives the same', async () => {
  const { vector } = await json('predict', '--adapter', run(), '--text', 'who is good');
  expect(vector).toHaveLength(32);
  expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  const adapter = await loadAdapter(run());
  const [same] = await adapter.predict(['who is good']);
  expect(same).toEqual({ vector });
  await adapter.close();
  await writeFile(folder.path('asked.jsonl'), lines([{ query: 'it was dull' }]));
  await writeFile(folder.path('passages.jsonl'), lines([{ passage: 'it was dull' }, { passage: 'is it it was dull' }]));
  const predicted = async (name: string) => {
    await json(
      'predict',
      '--adapter',
      run(),
      '--input',
      folder.path(name),
      '--output',
      folder.path('out.jsonl'),
      '--overwrite',
    );
    return (await readFile(folder.path('out.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).vector);
  };
  const [asked] = await predicted('asked.jsonl');
  const [passage, prompted] = await predicted('passages.jsonl');
  expect(passage).not.toEqual(asked);
  for (const [i, value] of asked.entries()) expect(prompted[i]).toBeCloseTo(value, 5);
});

it('is scored as it was, on the task and on a file of rows', async () => {
  const { scores } = JSON.parse(await readFile(join(run(), 'run.json'), 'utf8'));
  const again = await json('eval', '--adapter', run(), '--task', folder.path('pairs.yaml'));
  const rows = await json('eval', '--adapter', run(), '--task', folder.path('rows.jsonl'));
  expect(again.scores.ndcg_at_10).toBeCloseTo(scores.dev.ndcg_at_10, 6);
  expect(rows.scores.ndcg_at_10).toBeCloseTo(scores.dev.ndcg_at_10, 6);
});

it('the adapter and the merged model have the files of sentence-transformers, and task.json says how vectors are made', async () => {
  await json('merge', '--adapter', run(), '--output', folder.path('merged'));
  for (const place of [join(run(), 'adapter'), folder.path('merged')]) {
    const read = async (name: string) => JSON.parse(await readFile(join(place, name), 'utf8'));
    expect((await read('modules.json')).map(({ path }: { path: string }) => path)).toEqual([
      '',
      '1_Pooling',
      '2_Normalize',
    ]);
    expect(await read('1_Pooling/config.json')).toMatchObject({
      pooling_mode_mean_tokens: true,
      word_embedding_dimension: 32,
    });
    expect(await read('config_sentence_transformers.json')).toMatchObject({
      prompts: { query: 'is it ', document: '' },
    });
  }
  const file = JSON.parse(await readFile(join(run(), 'adapter', 'task.json'), 'utf8'));
  expect(file).toMatchObject({ vectors: { pooling: 'mean', normalize: true, queryPrompt: 'is it ' } });
  const config = JSON.parse(await readFile(join(run(), 'adapter', 'adapter_config.json'), 'utf8'));
  expect(config.task_type).toBe('FEATURE_EXTRACTION');
  expect(config.target_modules.every((name: string) => name.startsWith('encoder.layer.'))).toBe(true);
  expect(JSON.parse(await readFile(folder.path('merged', 'config.json'), 'utf8')).architectures).toEqual(['BertModel']);
});

it('an exported encoder scores as the adapter does, and what has no texts to write is no GGUF file', async () => {
  const output = folder.path('onnx');
  const args = ['export', '--adapter', run(), '--task', folder.path('pairs.yaml'), '--output', output];
  const { files, scores } = await json(...args, '--format', 'onnx', '--dtype', 'fp32');
  expect(files[0].scores.ndcg_at_10).toBeCloseTo(scores.ndcg_at_10, 6);
  const refused = await diffora(...args, '--format', 'gguf', '--overwrite');
  expect(refused).toMatchObject({ code: 1 });
});

it.each([
  ['gradient-norm', ['--rank', '2', '--batch-size', '6'], undefined],
  ['fisher', [], 'this loss is of whole batches'],
  ['gram', ['--rank', '2'], 'The Gram matrix is that of classes or scores'],
])('modules are selected by %s, or it says why not', async (select, own, reason) => {
  const args = ['select', ...task(), '--select', select, ...own, '--threads', '1'];
  const { code, stderr } = await diffora(...args, '--output', folder.path(`${select}.json`));
  if (reason === undefined) expect(code, stderr).toBe(0);
  else expect(stderr).toContain(reason);
});

it('a run is estimated before it starts, and goes on from an adapter', async () => {
  const output = ['--output', folder.path('on')];
  const dry = await json('train', ...task(), ...settings, '--epochs', '1', '--dry-run', ...output);
  expect(dry).toMatchObject({ examples: { train: 36, dev: 36 }, trainSteps: 6 });
  const on = ['--lr', '1e-3', '--batch-size', '6', '--max-steps', '2', '--adapter', run()];
  const { scores } = await json('train', ...task(), ...on, ...output);
  expect(scores.dev.ndcg_at_10).toBeGreaterThan(0.5);
});

it('the loss of single examples is refused where they stand in each other’s', async () => {
  const args = ['--validation-share', '0.2', '--validation-loss', '--score-on', 'dev', '--output', folder.path('no')];
  const { code, stderr } = await diffora('train', ...task(), ...settings, '--max-steps', '1', ...args);
  expect(stderr).toContain('validationLoss is that of each example by itself');
  expect(code).toBe(2);
});
