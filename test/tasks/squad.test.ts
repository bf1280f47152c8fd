import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readJson } from '../../src/data/readers/index.js';
import { splitHash } from '../../src/data/split.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { squadExamples } from '../../src/tasks/known/squad.js';
import { openTask } from '../../src/tasks/openTask.js';
import { errorOf, folderOf } from '../data/files.js';
import { hasShared, sharedDir } from '../shared.js';

const warn = (message: string) => expect.fail(`unexpected warning: ${message}`);
const open = (name: string, dataDir: string) => openTask(name, { dataDir, warn });

interface Asked {
  readonly id: string;
  readonly answers: readonly { readonly text: string; readonly answer_start: number }[];
  readonly is_impossible?: boolean;
}

const file = (context: string, ...qas: readonly Asked[]) =>
  JSON.stringify({
    version: '1.1',
    data: [
      { title: 'Rivers', paragraphs: [{ context, qas: qas.map((asked) => ({ question: `${asked.id}?`, ...asked })) }] },
    ],
  });

const answer = (text: string, start: number) => ({ text, answer_start: start });

describe('SQuAD files', () => {
  it('give a question, its passage, all its answers and its id', async () => {
    const dataDir = await folderOf({
      'SQuAD/dev-v1.1.json': file(' The Rhine is long.', {
        id: 'q1',
        answers: [answer('Rhine', 5), answer('The Rhine', 1)],
      }),
    });
    const task = await open('squad', dataDir);
    expect(task).toMatchObject({
      kind: kinds.span,
      columns: { text: 'question', pair: 'context', label: 'answers' },
      metrics: ['f1', 'exact_match'],
      maxLength: 384,
      splits: ['train', 'dev'],
    });
    const { examples, labelCounts, source } = await task.load('dev');
    const answers = [
      { text: 'Rhine', start: 5 },
      { text: 'The Rhine', start: 1 },
    ];
    expect(examples).toEqual([{ id: 'q1', text: 'q1?', pair: ' The Rhine is long.', answers }]);
    expect(labelCounts).toEqual({});
    expect(source).toBe(join(dataDir, 'SQuAD/dev-v1.1.json'));
  });

  it('count code points, which become UTF-16 units', async () => {
    // Two characters beyond U+FFFF stand before the answer, one within it.
    const context = '𝒳 and 𝒴: the 😀 answer';
    const dataDir = await folderOf({
      'squad/dev-v1.1.json': file(context, { id: 'q', answers: [answer('the 😀 answer', 9)] }),
    });
    const { examples } = await (await open('squad', dataDir)).load('dev');
    expect(examples[0]!.answers).toEqual([{ text: 'the 😀 answer', start: context.indexOf('the') }]);
    expect(context.indexOf('the')).toBe(11);
  });

  it('may be gzipped, and have questions without an answer in version 2', async () => {
    const content = file(
      'The Rhine.',
      { id: 'a', answers: [answer('Rhine', 4)], is_impossible: false },
      { id: 'b', answers: [], is_impossible: true },
    );
    const dataDir = await folderOf({ 'squad/train-v2.0.json.gz': gzipSync(content) });
    const task = await open('squad2', dataDir);
    expect(task.metrics).toEqual(['f1', 'exact_match', 'best_f1', 'best_exact_match']);
    const { examples } = await task.load('train');
    expect(examples.map(({ answers }) => answers)).toEqual([[{ text: 'Rhine', start: 4 }], []]);
  });

  it.each([
    [
      'an answer that stands elsewhere',
      file('The Rhine.', { id: 'q7', answers: [answer('Rhine', 3)] }),
      /dev-v1\.1\.json, article "Rivers", question q7: the answer "Rhine" does not stand at character 3 of its passage, where " Rhin" is\. Correct answer_start/,
    ],
    [
      'an answer beyond the passage',
      file('Rhine', { id: 'q', answers: [answer('Rhine', 9)] }),
      /at character 9 of its passage, where "" is/,
    ],
    ['an empty answer', file('Rhine', { id: 'q', answers: [answer('', 0)] }), /the answer "" does not stand/],
    [
      'a question without an answer',
      file('Rhine', { id: 'q', answers: [] }),
      /article "Rivers", question q: it has no answer, and each question of squad has one/,
    ],
    [
      'an answer to what has none',
      file('Rhine', { id: 'q', answers: [answer('Rhine', 0)], is_impossible: true }),
      /question q: it is is_impossible, and yet has answers/,
    ],
    [
      'a question that is said to have an answer',
      file('Rhine', { id: 'q', answers: [], is_impossible: false }),
      /question q: it is not is_impossible, and yet has no answer/,
    ],
    [
      'another form',
      '{"data": [{"paragraphs": [{"context": "x"}]}]}',
      /dev-v1\.1\.json: data\[0\]\.paragraphs\[0\]\.qas is missing; .*form of SQuAD/,
    ],
    ['a list', '[]', /dev-v1\.1\.json: the top level is \[\]; /],
    ['broken JSON', '{', /dev-v1\.1\.json is not valid JSON/],
  ])('are refused for %s', async (_, content, reason) => {
    const task = await open('squad', await folderOf({ 'squad/dev-v1.1.json': content }));
    expect((await errorOf(task.load('dev'))).message).toMatch(reason);
  });

  it("serve as the hub's rows do", () => {
    const values = { id: 'h1', title: 't', context: 'The Rhine.', question: 'What?' };
    const row = (answers: unknown) => ({ line: 1, values: { ...values, answers } });
    const table = (answers: unknown) => ({
      path: 'p',
      columns: [...Object.keys(values), 'answers'],
      rows: [row(answers)],
    });
    // 64-bit integers of Parquet come as bigint.
    expect(squadExamples(table({ text: ['Rhine'], answer_start: [4n] }), 'squad', false)).toEqual([
      { id: 'h1', text: 'What?', pair: 'The Rhine.', answers: [{ text: 'Rhine', start: 4 }] },
    ]);
    expect(squadExamples(table({ text: [], answer_start: [] }), 'squad2', true)[0]!.answers).toEqual([]);
    expect(() => squadExamples(table({ text: ['a', 'b'], answer_start: [4n] }), 'squad', false)).toThrow(
      /p, line 1: the answers are {"text":\["a","b"\],"answer_start":\[4\]}, which is neither/,
    );
  });
});

describe('XQuAD', () => {
  it('is there to score on, not to train', async () => {
    const dataDir = await folderOf({
      'xquad/xquad.en.json': file('Rhine', { id: 'q', answers: [answer('Rhine', 0)] }),
    });
    const task = await open('xquad', dataDir);
    expect(task.splits).toEqual(['dev']);
    expect((await task.load('dev')).examples).toHaveLength(1);
    expect((await errorOf(task.load('train'))).message).toBe(
      'The task xquad has no labelled train split, only dev. Train on a task like it, and score that on this one.',
    );
  });

  it.skipIf(!hasShared('data/xquad'))('has 1,190 questions, each with an answer in its passage', async () => {
    const dev = await (await open('xquad', sharedDir('data'))).load('dev');
    const { examples } = dev;
    expect(examples).toHaveLength(1190);
    expect(new Set(examples.map(({ id }) => id)).size).toBe(1190);
    expect(new Set(examples.map(({ pair }) => pair)).size).toBe(240);
    for (const { pair, answers } of examples) {
      expect(answers!.length).toBeGreaterThan(0);
      for (const { text, start } of answers!) expect(pair!.slice(start, start + text.length)).toBe(text);
    }
    expect(splitHash(dev)).toBe('1fb46ff38a91b252e109c2f374819b802bea5e4aa26347d12597a5430e41e07e');
  });

  it.skipIf(!hasShared('data/xquad'))('has the form that squad reads', async () => {
    const content = JSON.stringify(await readJson(sharedDir('data/xquad/xquad.en.json')));
    const task = await open('squad', await folderOf({ 'squad/train-v1.1.json': content }));
    expect((await task.load('train')).examples).toHaveLength(1190);
  });
});
