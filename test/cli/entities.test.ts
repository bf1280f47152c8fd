import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadAdapter } from '../../src/library/loadAdapter.js';
import { diffora, resultOf, temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const run = () => folder.path('run');
const file = () => folder.path('people.conll');

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const people = ['bad man', 'who', 'book'];
  const sentences = Array.from({ length: 30 }, (_, i) => {
    const person = people[i % 3]!.split(' ').map((word, k) => `${word}\t${k === 0 ? 'B' : 'I'}-PER\n`);
    return `${i % 2 === 0 ? 'it\tO\nwas\tO\n' : ''}${person.join('')}is\tO\ngood\tO\n`;
  });
  await writeFile(file(), sentences.join('\n'));
  const settings = ['--rank', '4', '--lr', '1e-2', '--epochs', '40', '--batch-size', '9', '--threads', '1'];
  const task = ['--model', tinyModel, '--task', file()];
  // Modules are selected by DiffoRA's search.
  const record = await json('train', ...task, ...settings, '--method', 'diffora', '--output', run());
  expect(record.scores.dev).toEqual({ f1: 1, precision: 1, recall: 1 });
});
afterAll(() => folder.remove());

it('entities are printed with type, place and score', async () => {
  const { stdout } = await diffora('predict', '--adapter', run(), '--text', 'it was bad man is good');
  expect(stdout).toMatch(/^bad man {2}PER {2}7-14 {2}[01]\.\d{3}\n$/);
  const { entities } = await json('predict', '--adapter', run(), '--text', 'who is good');
  expect(entities).toMatchObject([{ text: 'who', type: 'PER', start: 0, end: 3 }]);
  expect(await diffora('predict', '--adapter', run(), '--text', 'is good')).toMatchObject({ stdout: 'no entity\n' });
});

it('entities are scored on files of words, and found in rows', async () => {
  const { scores } = await json('eval', '--adapter', run(), '--task', file(), '--metrics', 'f1,recall');
  expect(scores).toEqual({ f1: 1, recall: 1 });
  const { predictions } = await json('predict', '--adapter', run(), '--input', file());
  expect(predictions).toHaveLength(30);
  expect(predictions[0].entities).toMatchObject([{ text: 'bad man', start: 7, end: 14 }]);
});

it('a merged checkpoint names the tags, and finds the same entities', async () => {
  await json('merge', '--adapter', run(), '--output', folder.path('merged'));
  const config = JSON.parse(await readFile(join(folder.path('merged'), 'config.json'), 'utf8'));
  expect(config).toMatchObject({
    architectures: ['BertForTokenClassification'],
    id2label: { 0: 'O', 1: 'B-PER', 2: 'I-PER' },
  });
  const text = ['--text', 'it was bad man is good'];
  const [own] = (await json('predict', '--model', folder.path('merged'), ...text)).entities;
  const [{ score, ...found }] = (await json('predict', '--adapter', run(), ...text)).entities;
  expect(own).toEqual({ ...found, score: expect.closeTo(score, 5) });
});

it('an adapter in memory finds them too', async () => {
  const adapter = await loadAdapter(run());
  const [found] = await adapter.predict(['bad man is good']);
  expect(found).toMatchObject({ entities: [{ text: 'bad man', type: 'PER' }] });
  await adapter.close();
});

it("an adapter of others answers by the tags that its base model's config.json names, and is refused without them", async () => {
  await cp(join(run(), 'adapter'), folder.path('foreign'), { recursive: true });
  await rm(join(folder.path('foreign'), 'task.json'));
  await cp(tinyModel, folder.path('base'), { recursive: true });
  const config = JSON.parse(await readFile(join(tinyModel, 'config.json'), 'utf8'));
  const named = (id2label: unknown) =>
    writeFile(join(folder.path('base'), 'config.json'), JSON.stringify({ ...config, id2label }));
  const args = [
    '--adapter',
    folder.path('foreign'),
    '--model',
    folder.path('base'),
    '--any-base',
    '--text',
    'it was bad man is good',
  ];
  await named({ 0: 'O', 1: 'B-PER', 2: 'I-PER' });
  expect((await json('predict', ...args)).entities).toMatchObject([{ text: 'bad man', type: 'PER' }]);
  for (const names of [undefined, { 0: 'DET', 1: 'NOUN', 2: 'VERB' }]) {
    await named(names);
    const { code, stderr } = await diffora('predict', ...args);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/TOKEN_CLS head; .* name the outputs so \(O, B-PER.*config\.json\.\n$/),
    ]);
  }
});
