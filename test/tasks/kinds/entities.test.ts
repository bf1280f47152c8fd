import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OpenedModel } from '../../../src/models/loading/withHead.js';
import { kinds } from '../../../src/tasks/kinds/registry.js';
import { openTask } from '../../../src/tasks/openTask.js';
import { rowsToScore } from '../../../src/tasks/rowsToScore.js';
import { taskFromExamples } from '../../../src/tasks/taskFromExamples.js';
import { loadTokenizer } from '../../../src/tokenize/index.js';
import { errorOf, folderOf } from '../../data/files.js';
import { oraclePath } from '../../fixtures.js';

const quiet = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };
const jsonl = (...rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
/** Opens the first file. */
const open = async (files: Record<string, string>, warn: (message: string) => void = quiet.warn) =>
  openTask(join(await folderOf(files), Object.keys(files)[0]!), { warn });
const messageOf = async (files: Record<string, string>) => (await errorOf(open(files, () => {}))).message;

const train = 'Ada\tB-PER\nLovelace\tI-PER\nsang\tO\n\nOslo\tB-LOC\n.\tO\n\nBo\tB-PER\n';

describe('a file of words and tags', () => {
  it('is recognised, and has a tag for the beginning and the inside of each type', async () => {
    const task = await open({ 'people.conll': train });
    expect(task).toMatchObject({
      name: 'people',
      kind: kinds.entities,
      labels: ['O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER'],
      columns: { text: 'tokens', label: 'tags' },
      metrics: ['f1', 'precision', 'recall'],
    });
    const { examples } = await task.load('train');
    expect([...examples, ...(await task.load('dev')).examples]).toContainEqual({
      id: '1',
      text: 'Ada Lovelace sang',
      words: [
        [0, 3],
        [4, 12],
        [13, 17],
      ],
      tags: ['B-PER', 'I-PER', 'O'],
    });
  });

  it.each([
    ['IOB1', ['I-PER', 'B-PER', 'I-PER', 'O', 'I-LOC']],
    ['BIOES', ['S-PER', 'B-PER', 'E-PER', 'O', 'S-LOC']],
    ['IOB2', ['B-PER', 'B-PER', 'I-PER', 'O', 'B-LOC']],
  ])('is told in IOB2 where it has %s', async (_, tags) => {
    const rows = [tags, tags].map((each) => ({ tokens: ['a', 'b', 'c', 'd', 'e'], tags: each }));
    const task = taskFromExamples(rows, { dev: rows, ...quiet });
    const { examples, labelCounts } = await task.load('train');
    expect(examples[0]!.tags).toEqual(['B-PER', 'B-PER', 'I-PER', 'O', 'B-LOC']);
    expect(labelCounts).toEqual({ LOC: 2, PER: 4 });
  });

  it('may number the tags that a task file names, which may be those of BIOES', async () => {
    const labels = ['O', 'S-PER', 'B-PER', 'I-PER', 'E-PER'];
    const rows = [{ tokens: ['a', 'b', 'c'], ner_tags: [1, 2, 4] }];
    const task = taskFromExamples([...rows, ...rows], { kind: 'entities', labels, ...quiet });
    expect(task.columns.label).toBe('ner_tags');
    expect((await task.load('train')).examples[0]!.tags).toEqual(['S-PER', 'B-PER', 'E-PER']);
  });
});

describe('a file of texts and marked parts', () => {
  // The first letter is one of Unicode's characters and two of UTF-16's.
  const text = '𝒳, Ada Lovelace sang in Oslo.';
  const marked = ['Ada Lovelace', 'Oslo'].map((one) => [...text.slice(0, text.indexOf(one))].length);

  it.each([
    [
      'type',
      [
        { start: marked[0], end: marked[0]! + 12, type: 'PER' },
        { start: marked[1], end: marked[1]! + 4, type: 'LOC' },
      ],
    ],
    [
      'label',
      [
        { start: marked[0], end: marked[0]! + 12, label: 'PER' },
        { start: marked[1], end: marked[1]! + 4, label: 'LOC' },
      ],
    ],
    [
      'a list',
      [
        [marked[1], marked[1]! + 4, 'LOC'],
        [marked[0], marked[0]! + 12, 'PER'],
      ],
    ],
  ])('has a tag for each word, the type being %s', async (_, spans) => {
    const task = await open({ 'a.jsonl': jsonl(...[1, 2, 3].map(() => ({ text, spans }))) });
    const { examples } = await task.load('train');
    const { words, tags } = examples[0]!;
    expect(words!.map(([from, to], i) => [text.slice(from, to), tags![i]])).toEqual([
      ['𝒳', 'O'],
      [',', 'O'],
      ['Ada', 'B-PER'],
      ['Lovelace', 'I-PER'],
      ['sang', 'O'],
      ['in', 'O'],
      ['Oslo', 'B-LOC'],
      ['.', 'O'],
    ]);
  });

  it('is scored by what was learned from words', async () => {
    const learned = await open({ 'people.conll': train });
    const folder = await folderOf({ 'a.jsonl': jsonl({ text: 'Oslo sang', entities: [[0, 4, 'LOC']] }) });
    const task = await rowsToScore(join(folder, 'a.jsonl'), learned, quiet);
    expect((await task.load('test')).examples[0]!.tags).toEqual(['B-LOC', 'O']);
  });

  it.each([
    [
      'a part of a word',
      [[2, 7, 'PER']],
      /line 1: the entity "a Ame" \(2 to 7\) does not begin and end with a word\. Mark whole/,
    ],
    ['a place outside', [[4, 99, 'PER']], /does not begin and end with a word/],
    [
      'two in one word',
      [
        [0, 3, 'PER'],
        [0, 3, 'LOC'],
      ],
      /the entity "Ida" \(0 to 3\) overlaps the one before it/,
    ],
    ['another form', [{ from: 0 }], /line 1: the entities are \[{"from":0}\], which is no list of/],
  ])('is refused for %s', async (_, entities, reason) => {
    const files = { 't.yaml': 'kind: entities\ntrain: a.jsonl\ncolumns: {text: text, label: entities}' };
    expect(
      await messageOf({ ...files, 'a.jsonl': jsonl(...[1, 2].map(() => ({ text: 'Ida America', entities }))) }),
    ).toMatch(reason);
  });
});

describe('what is wrong gets a sentence', () => {
  const withDev = (dev: string, file = 'dev.conll') => ({
    't.yaml': `kind: entities\ntrain: train.conll\ndev: ${file}\n`,
    'train.conll': train,
    [file]: dev,
  });

  it('of a sequence that breaks its scheme: how many do, where, and how they are read', async () => {
    const warnings: string[] = [];
    const task = await open(withDev('Bo\tB-PER\n\nin\tO\nOslo\tI-PER\n\nAda\tB-PER\n'), (message) =>
      warnings.push(message),
    );
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /dev\.conll: 1 of 3 sentences break IOB2 \(.*dev\.conll, line 4 first: I-PER after O\)\. They are read as conlleval reads them: a tag that cannot go on with an entity begins one\.$/,
    );
    expect((await task.load('dev')).examples[1]!.tags).toEqual(['O', 'B-PER']);
  });

  it('of a tag that no sentence in training has, though its type occurs', async () => {
    const warnings: string[] = [];
    await open(withDev('New\tB-LOC\nYork\tI-LOC\n'), (message) => warnings.push(message));
    expect(warnings).toEqual([
      expect.stringMatching(
        /dev\.conll: one word of the tag I-LOC \(.*dev\.conll, line 2 first\), which no sentence in training has/,
      ),
    ]);
  });

  it.each([
    [
      'a type seen only in dev',
      withDev('Bo\tB-PER\nin\tO\nACME\tB-ORG\n'),
      /dev\.conll, line 3: the tag "B-ORG" is not one of t's: "O", "B-LOC".*has to occur in training/,
    ],
    [
      'a tag of no scheme',
      withDev('Bo\tB-PER\nin\tX-PER\n'),
      /dev\.conll, line 2: "X-PER" is no tag of IOB1, IOB2 or BIOES\. Write O,/,
    ],
    [
      'a sentence without tags',
      withDev(jsonl({ tokens: ['Bo'], tags: ['O'] }, { tokens: ['Bo'] }), 'd.jsonl'),
      /d\.jsonl, line 2: column "tags" is empty\. Label or remove the row\./,
    ],
    [
      'fewer tags than tokens',
      withDev(jsonl({ tokens: ['Bo', 'x'], tags: ['O'] }), 'd.jsonl'),
      /d\.jsonl, line 1: 2 tokens and 1 tags\. Give a list/,
    ],
    [
      'numbers without names',
      { 't.yaml': 'kind: entities\ntrain: d.jsonl', 'd.jsonl': jsonl({ tokens: ['Bo'], tags: [0] }) },
      /d\.jsonl, line 1, token 1: the tag is the number 0\. Name the tags, from 0, as "labels"/,
    ],
    ['no entity at all', { 'a.conll': 'it\tO\n\nwas\tO\n' }, /a\.conll marks no entity: every tag is O/],
    [
      'a metric of another kind',
      { 't.yaml': 'kind: entities\ntrain: d.conll\nmetrics: [bleu]', 'd.conll': train },
      /The metric bleu does not fit a task of entities\. Choose from f1, precision/,
    ],
  ])('of %s', async (_, files, reason) => {
    expect(await messageOf(files)).toMatch(reason);
  });
});

describe('what is learned', () => {
  // Made by test/oracle/kind_entities.py with transformers' tokenizer and run_ner's alignment.
  const python = JSON.parse(readFileSync(new URL('fixtures/entities.json', import.meta.url), 'utf8')) as {
    readonly labels: readonly string[];
    readonly maxLength: number;
    readonly cases: readonly { tokens: string[]; tags: string[]; inputIds: number[]; labels: number[] }[];
  };

  it("are the ids and labels of transformers' run_ner", async () => {
    const { labels, maxLength, cases } = python;
    const task = taskFromExamples(cases, {
      kind: 'entities',
      columns: { text: 'tokens', label: 'tags' },
      labels,
      dev: cases,
      ...quiet,
    });
    const tokenizer = await loadTokenizer(oraclePath('tiny-bert'));
    const { examples } = await task.load('train');
    const encoded = await kinds.entities.encode({ tokenizer } as OpenedModel, task, examples, {
      maxLength,
      warn: () => {},
    });
    expect(encoded.map(({ inputIds }) => Array.from(inputIds))).toEqual(cases.map(({ inputIds }) => inputIds));
    expect(encoded.map(({ tokenLabels }) => Array.from(tokenLabels!))).toEqual(cases.map((one) => one.labels));
  });
});
