import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTable } from '../../src/data/readers/index.js';
import { splitHash } from '../../src/data/split.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { TASKS } from '../../src/tasks/known/registry.js';
import { openTask } from '../../src/tasks/openTask.js';
import { labelName, rowToExample } from '../../src/tasks/rows.js';
import { taskForm } from '../../src/tasks/taskForm.js';
import type { TaskOptions } from '../../src/tasks/taskOptions.js';
import { errorOf, folderOf } from '../data/files.js';

const quiet = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };

/** A CSV of `count` rows, three quarters of them `good`. */
const csv = (count: number, header = 'text,label') =>
  `${header}\n${Array.from({ length: count }, (_, i) => `row ${i},${i % 4 === 0 ? 'bad' : 'good'}\n`).join('')}`;

async function open(files: Record<string, string>, name: string, options: Partial<TaskOptions> = {}) {
  return openTask(join(await folderOf(files), name), { ...quiet, ...options });
}

describe("one's own data file", () => {
  it('becomes a classification with sorted labels, and a tenth of each class held out', async () => {
    const task = await open({ 'a.csv': csv(80) }, 'a.csv');
    expect(task).toMatchObject({
      name: 'a',
      kind: kinds.classification,
      labels: ['bad', 'good'],
      columns: { text: 'text', label: 'label' },
      metrics: ['accuracy', 'f1', 'matthews'],
      splits: ['train', 'dev'],
    });
    const [train, dev] = [await task.load('train'), await task.load('dev')];
    expect(train.labelCounts).toEqual({ bad: 18, good: 54 });
    expect(dev.labelCounts).toEqual({ bad: 2, good: 6 });
    const ids = [...train.examples, ...dev.examples].map(({ id }) => Number(id)).sort((a, b) => a - b);
    expect(ids).toEqual(Array.from({ length: 80 }, (_, i) => i + 2));
    expect(dev.source).toMatch(/a\.csv \(a tenth held out, seed 0\)$/);
    expect((await errorOf(task.load('test'))).message).toContain('no test split; it has train, dev');
  });

  it('holds out the same rows for the same seed, others for another', async () => {
    const folder = await folderOf({ 'a.csv': csv(80) });
    const hash = async (seed: number) =>
      splitHash(await (await openTask(join(folder, 'a.csv'), { ...quiet, seed })).load('dev'));
    expect(await hash(1)).toBe(await hash(1));
    expect(await hash(2)).not.toBe(await hash(1));
  });

  it('takes the columns that are named, or the usual names of pairs', async () => {
    const rows = Array.from({ length: 4 }, (_, i) => `x${i}\ty${i}\t${i % 2}\n`).join('');
    const named = await open({ 'a.tsv': `q\tr\ts\n${rows}` }, 'a.tsv', {
      textColumn: 'q',
      pairColumn: 'r',
      labelColumn: 's',
    });
    expect(named.columns).toEqual({ text: 'q', pair: 'r', label: 's' });
    const usual = await open({ 'b.tsv': `sentence1\tsentence2\tlabel\n${rows}` }, 'b.tsv');
    expect(usual.columns).toEqual({ text: 'sentence1', pair: 'sentence2', label: 'label' });
    expect((await usual.load('train')).examples[0]).toMatchObject({ pair: expect.stringMatching(/^y\d$/) });
  });

  it.each([
    ['whole numbers are classes, in the order of numbers', [10, 9, 10, 9, 2, 2], ['2', '9', '10']],
    ['1.0 is 1', ['1.0', '0', '1', '0.0'], ['0', '1']],
    ['true and false are classes', [true, false, true, false], ['false', 'true']],
  ])('%s', async (_, labels, expected) => {
    const lines = labels.map((label) => JSON.stringify({ text: 'x', label })).join('\n');
    const task = await open({ 'a.jsonl': lines }, 'a.jsonl');
    expect([task.kind, task.labels]).toEqual([kinds.classification, expected]);
  });

  it('becomes a regression where labels are numbers and not all whole', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `x,${i / 4}\n`).join('');
    const task = await open({ 'a.csv': `text,label\n${rows}` }, 'a.csv');
    expect([task.kind, task.labels, task.metrics]).toEqual([kinds.regression, [], ['pearson', 'spearman']]);
    expect((await task.load('dev')).examples.length).toBe(6);
  });

  it('warns, counted, of empty texts', async () => {
    const warnings: string[] = [];
    const data = 'text\tlabel\na\t0\n\t1\nb\t0\nc\t1\n';
    await open({ 'a.tsv': data, 'a.yaml': 'train: a.tsv\ndev: a.tsv\ncolumns: {text: text, label: label}' }, 'a.yaml', {
      warn: (message) => warnings.push(message),
    });
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/a\.tsv: 1 of 4 rows have an empty text \(line 3 first\)\.$/);
  });

  it.each([
    ['a missing column', 'body,label\na,0\nb,1\n', /no column "text"; it has "body", "label".*--text-column/],
    ['an empty label', 'text,label\na,0\nb,\nc,1\n', /line 3: column "label" is empty/],
    ['one class only', 'text,label\na,x\nb,x\n', /only the label "x" in column "label"/],
    [
      'a class of one example',
      'text,label\na,x\nb,x\nc,y\n',
      /line 4: the only example of class "y"\. A class needs two/,
    ],
    ['a header without rows', 'text,label\n', /a\.csv has no/],
    ['nothing at all', '', /a\.csv is empty/],
  ])('is refused for %s', async (_, content, reason) => {
    expect((await errorOf(open({ 'a.csv': content }, 'a.csv'))).message).toMatch(reason);
  });
});

describe('a task file', () => {
  const data = { 'train.csv': csv(16, 'review,verdict'), 'dev.csv': csv(8, 'review,verdict') };
  const columns = 'columns: {text: review, label: verdict}';

  it('names files beside it, labels in its own order, metrics and a name', async () => {
    const files = 'name: reviews\ntrain: train.csv\ndev: dev.csv\ntest: dev.csv';
    const yaml = `${files}\n${columns}\nlabels: [good, bad]\nmetrics: [matthews]`;
    const task = await open({ ...data, 't.yaml': yaml }, 't.yaml');
    expect(task).toMatchObject({ name: 'reviews', labels: ['good', 'bad'], metrics: ['matthews'] });
    expect(task.splits).toEqual(['train', 'dev', 'test']);
    expect((await task.load('train')).labelCounts).toEqual({ good: 12, bad: 4 });
    expect((await task.load('dev')).examples[0]).toEqual({ id: '2', text: 'row 0', label: 1 });
  });

  it('may be JSON', async () => {
    const json = JSON.stringify({ train: 'train.csv', columns: { text: 'review', label: 'verdict' } });
    expect((await open({ ...data, 't.json': json }, 't.json')).name).toBe('t');
  });

  it('can make scores of whole numbers', async () => {
    const files = { 'n.csv': 'text,label\na,1\nb,2\nc,3\n' };
    const yaml = 'train: n.csv\nkind: regression\ncolumns: {text: text, label: label}';
    expect((await open({ ...files, 't.yaml': yaml }, 't.yaml')).kind).toBe(kinds.regression);
  });

  it.each([
    ['an unknown key', `trian: train.csv\n${columns}`, /unknown key "trian"\. Did you mean "train"\?/],
    [
      'an unknown column',
      'train: train.csv\ncolumns: {text: a, lable: b, label: c}',
      /"columns" has the unknown key "lable"/,
    ],
    ['a missing key', 'train: train.csv', /"columns" is missing or wrong/],
    [
      'a wrong kind',
      `train: train.csv\n${columns}\nkind: ranking`,
      /kind is "ranking"; it takes one of classification, /,
    ],
    ['labels named twice', `train: train.csv\n${columns}\nlabels: [a, a]`, /labels: a label is named twice/],
    ['broken YAML', 'train: [', /t\.yaml is not valid YAML or JSON/],
    ['a file that is not there', `train: none.csv\n${columns}`, /Cannot read .*none\.csv/],
    [
      'a metric of the other kind',
      `train: train.csv\n${columns}\nmetrics: [pearson]`,
      /pearson does not fit a classif/,
    ],
    [
      'labels of a regression',
      `train: train.csv\n${columns}\nkind: regression\nlabels: [a, b]`,
      /t\.yaml: "labels" is for kind: classification or entities or multi-label, but this is a regression/,
    ],
    [
      'scores that are words',
      `train: train.csv\n${columns}\nkind: regression`,
      /line 2: the score "bad" is not a number/,
    ],
    [
      'a label outside its set',
      `train: train.csv\n${columns}\nlabels: [good, fine]`,
      /train\.csv, line 2: the label "bad" is not one of t's: "good", "fine"/,
    ],
    [
      'a label without examples',
      `train: train.csv\n${columns}\nlabels: [good, bad, fine]`,
      /no example of class "fine"/,
    ],
  ])('is refused for %s', async (_, yaml, reason) => {
    expect((await errorOf(open({ ...data, 't.yaml': yaml }, 't.yaml'))).message).toMatch(reason);
  });

  it('refuses a label of the dev file that training has not, by file and line', async () => {
    const files = { ...data, 'dev.csv': 'review,verdict\na,good\nb,ugly\n' };
    const yaml = `train: train.csv\ndev: dev.csv\n${columns}`;
    expect((await errorOf(open({ ...files, 't.yaml': yaml }, 't.yaml'))).message).toMatch(
      /dev\.csv, line 3: the label "ugly" is not one of t's: "bad", "good"/,
    );
  });
});

describe('openTask', () => {
  it('names the nearest of the known tasks, and is wrong usage', async () => {
    const error = await errorOf(openTask('colla', quiet));
    expect(error.message).toMatch(/no task "colla"\. Did you mean cola or/);
    expect(error.message).toContain([...TASKS.keys()].join(', '));
    expect(error.exitCode).toBe(2);
  });

  it('refuses a file of another kind, and columns for a known task', async () => {
    const folder = await folderOf({ 'a.xlsx': '' });
    expect((await errorOf(openTask(join(folder, 'a.xlsx'), quiet))).message).toMatch(/a\.xlsx is neither a data file/);
    expect((await errorOf(openTask('cola', { ...quiet, textColumn: 'x' }))).message).toMatch(/columns of its own/);
  });
});

describe('a .json', () => {
  const rows = JSON.stringify(Array.from({ length: 4 }, (_, i) => ({ body: `text ${i}`, label: i % 2 })));

  it('that is a list of rows is a data file, columns and all', async () => {
    const task = await open({ 'a.json': rows }, 'a.json', { textColumn: 'body' });
    expect(task).toMatchObject({ name: 'a', columns: { text: 'body', label: 'label' }, labels: ['0', '1'] });
    expect(taskForm(join(await folderOf({ 'b.json': `\n ${rows}` }), 'b.json'))).toBe('table');
    expect(taskForm(join(await folderOf({ 'c.json': '{"train": "a.csv"}' }), 'c.json'))).toBe('description');
  });

  it("that has SQuAD's form is a data file too", async () => {
    const answers = [{ text: 'Rome', answer_start: 0 }];
    const qas = ['1', '2', '3'].map((id) => ({ id, question: 'Where?', answers }));
    const squad = JSON.stringify({ version: '1.1', data: [{ title: 't', paragraphs: [{ context: 'Rome.', qas }] }] });
    expect((await open({ 'squad.json': squad }, 'squad.json')).kind).toBe(kinds.span);
  });
});

describe('cells that are no labels', () => {
  const table = (cells: readonly string[]) => `text,label\n${cells.map((cell, i) => `row ${i},${cell}\n`).join('')}`;

  it.each([
    ['nan', ['0.5', '1.5', 'nan', '2']],
    ['inf', ['0.5', '1.5', '-inf', '2']],
  ])('%s among scores is refused by its line', async (_, cells) => {
    const { message } = await errorOf(open({ 'a.csv': table(cells) }, 'a.csv'));
    expect(message).toMatch(
      /a\.csv, line 4: the score "(nan|-inf)" is no finite number\. Write one, or remove the row\./,
    );
  });

  it('nan among whole numbers is no class of its own', async () => {
    const { message } = await errorOf(open({ 'a.csv': table(['1', '2', 'nan', 'nan', '1', '2']) }, 'a.csv'));
    expect(message).toMatch(/a\.csv, line 4: the label is "nan", where others are numbers/);
    expect(await open({ 'b.csv': table(['nan', 'naan', 'nan', 'naan']) }, 'b.csv')).toMatchObject({
      labels: ['naan', 'nan'],
    });
  });

  it('an object is refused by its line, and a Date has the name that ISO 8601 gives it', async () => {
    const lines = [1, 1, { a: 1 }, 2, 2].map((label) => JSON.stringify({ text: 'x', label })).join('\n');
    const { message } = await errorOf(open({ 'a.jsonl': lines }, 'a.jsonl'));
    expect(message).toMatch(/a\.jsonl, line 3: the label is \{"a":1\}\. Write a text or a number\./);
    expect(labelName(new Date(0))).toBe('1970-01-01T00:00:00.000Z');
  });
});

describe('rowToExample', () => {
  const task = {
    name: 't',
    kind: kinds.classification,
    labels: ['ham', 'spam'],
    columns: { text: 'text', label: 'label' },
  } as const;
  const row = (values: Record<string, unknown>) => ({ line: 7, values });

  it('takes a row without a label, ignores other columns, and reads a label by name or number', () => {
    expect(rowToExample(task, row({ text: 'a', other: 1 }), 'f')).toEqual({ id: '7', text: 'a' });
    expect(rowToExample(task, row({ text: 'a', label: '' }), 'f')).toEqual({ id: '7', text: 'a' });
    expect(rowToExample(task, row({ text: 5, label: 'spam' }), 'f')).toEqual({ id: '7', text: '5', label: 1 });
    expect(rowToExample(task, row({ text: 'a', label: 1 }), 'f')).toEqual({ id: '7', text: 'a', label: 1 });
  });

  it('never takes a number for an index where the labels are numbers', () => {
    const numbered = { ...task, labels: ['1', '2'] };
    expect(rowToExample(numbered, row({ text: 'a', label: 1 }), 'f').label).toBe(0);
    expect(() => rowToExample(numbered, row({ text: 'a', label: 0 }), 'f')).toThrow(/f, line 7: the label "0"/);
  });

  it('refuses a row without the text, or with something that is none', () => {
    expect(() => rowToExample(task, row({ body: 'a' }), 'f')).toThrow(
      /f, line 7: no column "text"; the row has "body"/,
    );
    expect(() => rowToExample(task, row({ text: { a: 1 } }), 'f')).toThrow(/holds no text but {"a":1}/);
    expect(() => rowToExample(task, row({ text: null }), 'f')).toThrow(/holds no text but null/);
    const pairs = { ...task, columns: { ...task.columns, pair: 'second' } };
    expect(() => rowToExample(pairs, row({ text: 'a' }), 'f')).toThrow(/no column "second"/);
  });

  it('reads what readTable gives', async () => {
    const folder = await folderOf({ 'in.jsonl': '{"text":"a"}\n{"text":"b","label":"spam"}\n' });
    const path = join(folder, 'in.jsonl');
    const { rows } = await readTable(path);
    expect(rows.map((each) => rowToExample(task, each, path).label)).toEqual([undefined, 1]);
  });
});
