import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../../src/tasks/kinds/registry.js';
import { openTask } from '../../../src/tasks/openTask.js';
import { rowsToScore } from '../../../src/tasks/rowsToScore.js';
import { taskFromExamples } from '../../../src/tasks/taskFromExamples.js';
import { errorOf, folderOf } from '../../data/files.js';

const quiet = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

async function open(rows: readonly object[], more = '', reports: { warn: (message: string) => void } = quiet) {
  const files = { 't.yaml': `kind: reranker\ntrain: a.jsonl\ndev: a.jsonl\n${more}`, 'a.jsonl': lines(rows) };
  return openTask(join(await folderOf(files), 't.yaml'), reports);
}

const ranked = [1, 2, 3].map((i) => ({ query: `q${i}`, passages: [`a${i}`, `b${i}`], labels: [1, 0] }));
const first = { id: '1', text: 'q1' };
const candidates = [
  { text: 'a1', relevance: 1 },
  { text: 'b1', relevance: 0 },
];

describe('the form of rows', () => {
  it.each([
    ['lists of passages and of labels', ranked],
    [
      'passages and labels by the names that Sentence Transformers uses',
      ranked.map(({ query, passages, labels }) => ({ query, docs: passages, labels })),
    ],
    [
      'a row for each passage',
      ranked.flatMap(({ query, passages, labels }) =>
        passages.map((passage, i) => ({ query, passage, label: labels[i] })),
      ),
    ],
    [
      'the same in cells of text, as CSV has them',
      ranked.flatMap(({ query, passages, labels }) =>
        passages.map((passage, i) => ({ query, passage, score: `${labels[i]}` })),
      ),
    ],
  ])('is told by the columns, and needs no description: %s', async (_, rows) => {
    const task = taskFromExamples(rows, { dev: rows, ...quiet });
    expect(task).toMatchObject({ kind: kinds.reranker, reranking: { form: 'scores', loss: 'BinaryCrossEntropyLoss' } });
    expect(task.metrics).toEqual(['ndcg_at_10', 'mrr_at_10', 'map']);
    const { examples } = await task.load('train');
    expect(examples).toHaveLength(3);
    expect(examples[0]).toEqual({ ...first, candidates });
  });

  it.each([
    ['a negative', { query: 'q1', positive: 'a1', negative: 'b1' }, candidates],
    [
      'several negatives',
      { anchor: 'q1', positive: 'a1', negative_1: 'b1', negative_2: 'c1' },
      [...candidates, { text: 'c1', relevance: 0 }],
    ],
    [
      'lists',
      { query: 'q1', positives: ['a1'], negatives: ['b1', 'c1'] },
      [...candidates, { text: 'c1', relevance: 0 }],
    ],
  ])('is that of negatives where a column is called so: %s', async (_, row, expected) => {
    const [query] = Object.keys(row);
    const task = await open([row, { ...row, [query!]: 'q2' }]);
    expect(task).toMatchObject({ reranking: { form: 'negatives' } });
    expect((await task.load('train')).examples[0]).toEqual({ ...first, candidates: expected });
  });

  it('has LambdaLoss where scores go beyond 1, or the loss that the task file names', async () => {
    const graded = ranked.map((row) => ({ ...row, labels: [3, 0] }));
    expect(await open(graded)).toMatchObject({ reranking: { loss: 'LambdaLoss' } });
    expect(await open(ranked, 'loss: RankNetLoss\n')).toMatchObject({ reranking: { loss: 'RankNetLoss' } });
  });

  it('holds out whole queries', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => ({ query: `q${i >> 1}`, passage: `p${i}`, label: i % 2 }));
    const task = taskFromExamples(rows, quiet);
    const [train, dev] = [await task.load('train'), await task.load('dev')];
    expect(train.examples.length + dev.examples.length).toBe(20);
    expect([...train.examples, ...dev.examples].every((one) => one.candidates?.length === 2)).toBe(true);
  });

  it('says how many queries a loss of orders learns nothing of', async () => {
    const said: string[] = [];
    const rows = [...ranked, { query: 'q4', passages: ['x', 'y'], labels: [0, 0] }];
    await open(rows, 'loss: ListNetLoss\n', { warn: (message) => said.push(message) });
    expect(said).toEqual([
      expect.stringContaining('1 of 4 queries have passages of one score alone, of which ListNetLoss'),
    ]);
  });
});

it('rows to be scored may have another form and other names than those that were learned', async () => {
  const files = {
    'negatives.jsonl': lines([{ query: 'q1', positive: 'a1', negatives: ['b1'] }]),
    'scores.jsonl': lines([{ query: 'q1', docs: ['a1', 'b1'], score: [1, 0] }]),
  };
  const folder = await folderOf(files);
  const opposed = await open(
    [1, 2].map((i) => ({ query: `q${i}`, passage: `a${i}`, negative: `b${i}` })),
    'columns: { text: query, pair: passage, label: negative }\n',
  );
  const said: string[] = [];
  const reports = { ...quiet, info: (message: string) => said.push(message) };
  for (const learned of [await open(ranked), opposed]) {
    for (const name of Object.keys(files)) {
      const scored = await rowsToScore(join(folder, name), { ...learned, maxLength: 64 }, reports);
      expect((await scored.load('test')).examples).toEqual([{ ...first, candidates }]);
    }
  }
  expect(said).toContain(`${join(folder, 'scores.jsonl')}: passages are read from "docs", scores from "score"`);
});

const row = { query: 'q', passage: 'p', label: 1 };
const other = { ...row, query: 'q2' };
const list = { query: 'q', passages: ['p', 'r'], labels: [1, 0] };
const opposed = { query: 'q', positive: 'p', negative: 'n' };

describe('refused with file and line', () => {
  it.each([
    [
      'a score as text',
      [row, { ...row, passage: 'r', label: 'high' }],
      '',
      /a\.jsonl, line 2: column "label" is to say how relevant a passage is, and "high" is not a number/,
    ],
    [
      'a score as text in all rows',
      [
        { ...row, label: '1' },
        { ...row, passage: 'r', label: 'high' },
      ],
      '',
      /line 2: column "label" is to say .* "high" is not a number/,
    ],
    [
      'a score in two types',
      [row, { ...row, passage: 'r', label: '0' }, other],
      '',
      /line 2: column "label" holds a text, "0", and in .*line 1 a number\. Write one type/,
    ],
    ['a score that is no number', [row, { ...row, passage: 'r', label: true }], '', /line 2: .* true is not a number/],
    [
      'two scores for one passage',
      [row, { ...row, label: 0 }, other],
      '',
      /line 2: the passage has the score 0 for this query, and 1 in .*line 1/,
    ],
    ['an empty score', [row, { ...row, passage: 'r', label: null }], '', /line 2: column "label" is empty/],
    [
      'a score beyond 1',
      [row, { ...row, passage: 'r', label: 3 }, other],
      'loss: BinaryCrossEntropyLoss\n',
      /line 2: the score is 3, and BinaryCrossEntropyLoss learns from 0 to 1/,
    ],
    [
      'fewer labels than passages',
      [list, { ...list, labels: [1] }],
      '',
      /line 2: column "passages" has 2 texts, and column "labels" 1 numbers/,
    ],
    [
      'a number for a list',
      [list, { ...list, labels: 1 }],
      '',
      /line 2: column "passages" holds a list of texts, and column "labels" holds 1/,
    ],
    [
      'a label that is null among others',
      [list, { ...list, query: 'q2', labels: [1, null] }],
      '',
      /line 2: .* null is not a number/,
    ],
    ['an empty list', [list, { ...list, passages: [], labels: [] }], '', /line 2: column "passages" is an empty list/],
    [
      'a passage that is null',
      [list, { ...list, passages: ['p', null] }],
      '',
      /line 2: column "passages" has null among its texts/,
    ],
    [
      'a passage twice',
      [list, { ...list, query: 'q2', passages: ['p', 'p'] }],
      '',
      /line 2: "p" stands twice in "passages"/,
    ],
    ['an empty passage', [row, { ...row, passage: ' ' }], '', /line 2: column "passage" is empty/],
    ['an empty query', [row, { ...row, query: '' }], '', /line 2: column "query" is empty/],
    [
      'a query that is its passage',
      [row, { ...row, query: 'p' }],
      '',
      /line 2: the query stands among its own passages, "p"/,
    ],
    [
      'a negative that is the positive',
      [opposed, { ...opposed, query: 'q2', negative: 'p' }],
      '',
      /line 2: "p" is both in "positive" and in "negative"/,
    ],
    [
      'a negative that is no text',
      [opposed, { ...opposed, query: 'q2', negative: 4.5, positive: ['x', 7] }],
      '',
      /line 2: column "positive" has 7 among its texts/,
    ],
    ['no negative', [opposed, { ...opposed, query: 'q2', negative: '' }], '', /line 2: column "negative" is empty/],
    ['nothing to tell apart', [row, { ...row, query: 'q2' }], '', /every passage has the same score/],
    [
      'no order to learn',
      [row, { ...row, query: 'q2', label: 0 }],
      'loss: LambdaLoss\n',
      /no query has passages of different scores/,
    ],
    ['a loss of other kinds', [list, { ...list, query: 'q2' }], 'loss: CoSENTLoss\n', /loss/],
    [
      'negatives that are not there',
      [list, { ...list, query: 'q2' }],
      'negatives: [hard]\n',
      /no column "hard" of negatives/,
    ],
  ])('%s', async (_, rows, more, reason) => {
    expect((await errorOf(open(rows, more))).message).toMatch(reason);
  });

  it('a loss of other kinds in a program, and changes of the loss that only classes have', () => {
    expect(() => taskFromExamples(ranked, { kind: 'reranker', loss: 'CoSENTLoss', dev: ranked })).toThrow(
      'this kind of task has no loss CoSENTLoss. Choose from BinaryCrossEntropyLoss',
    );
    const changes = { settings: { labelSmoothing: 0.1 }, task: { name: 't', labels: [] }, examples: [] };
    expect(() => kinds.reranker.objective(changes)).toThrow('t has none');
  });
});
