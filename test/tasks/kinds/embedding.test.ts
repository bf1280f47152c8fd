import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../../src/tasks/kinds/registry.js';
import { openTask } from '../../../src/tasks/openTask.js';
import { taskFromExamples } from '../../../src/tasks/taskFromExamples.js';
import { errorOf, folderOf } from '../../data/files.js';

const quiet = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

const pairs = [1, 2, 3].map((i) => ({ query: `question ${i}`, passage: `passage ${i}` }));

async function open(rows: readonly object[], more = '', kind = 'kind: embedding\n') {
  const folder = await folderOf({ 't.yaml': `${kind}train: a.jsonl\ndev: a.jsonl\n${more}`, 'a.jsonl': lines(rows) });
  return openTask(join(folder, 't.yaml'), quiet);
}

describe('the form of rows', () => {
  it('is told by the columns: pairs need no description', async () => {
    const task = taskFromExamples(pairs, { dev: pairs, ...quiet });
    expect(task).toMatchObject({
      kind: kinds.embedding,
      columns: { text: 'query', label: 'passage' },
      embedding: { form: 'pairs', loss: 'MultipleNegativesRankingLoss', negatives: [] },
    });
    expect(task.metrics[0]).toBe('ndcg_at_10');
    expect((await task.load('train')).examples[0]).toEqual({ id: '1', text: 'question 1', pair: 'passage 1' });
  });

  it.each([
    ['triplets', { anchor: 'a', positive: 'p', negative: 'n' }, { negatives: ['n'] }],
    ['several negatives', { anchor: 'a', positive: 'p', negative_1: 'n', negative_2: 'm' }, { negatives: ['n', 'm'] }],
    ['a list of negatives', { query: 'a', passage: 'p', negatives: ['n', 'm'] }, { negatives: ['n', 'm'] }],
  ])('%s have hard negatives', async (_, row, expected) => {
    const task = await open([row, { ...row, [Object.keys(row)[0]!]: 'b' }]);
    expect((await task.load('train')).examples[0]).toMatchObject({ text: 'a', pair: 'p', ...expected });
  });

  it('is that of scores with a second text, and ContrastiveLoss is learned where all are 0 or 1', async () => {
    const rows = [0.5, 1, 3].map((score, i) => ({ sentence1: `a ${i}`, sentence2: `b ${i}`, score }));
    const graded = await open(rows);
    expect(graded).toMatchObject({
      embedding: { form: 'scores', loss: 'CoSENTLoss' },
      metrics: ['spearman', 'pearson'],
    });
    expect((await graded.load('train')).examples[2]).toEqual({ id: '3', text: 'a 2', pair: 'b 2', label: 3 });
    const onOff = await open(rows.map((row, i) => ({ ...row, score: i % 2 })));
    expect(onOff).toMatchObject({ embedding: { loss: 'ContrastiveLoss' }, metrics: ['average_precision'] });
  });

  it('is that of classes with a label', async () => {
    const task = await open(['x', 'y', 'x', 'y'].map((label, i) => ({ text: `text ${i}`, label })));
    expect(task).toMatchObject({ labels: [], embedding: { form: 'classes', loss: 'BatchAllTripletLoss' } });
    expect((await task.load('train')).examples[1]).toEqual({ id: '2', text: 'text 1', className: 'y' });
  });

  it('has the settings of the task file, of the loss and of the vectors', async () => {
    const more =
      'loss: CachedMultipleNegativesRankingLoss\nscale: 50\nmatryoshkaDims: [32, 8]\npooling: cls\nnormalize: false\nqueryPrompt: "query: "\n';
    const task = await open(pairs, more);
    expect(task).toMatchObject({
      embedding: { loss: 'CachedMultipleNegativesRankingLoss', scale: 50, matryoshkaDims: [32, 8] },
      vectors: { pooling: 'cls', normalize: false, queryPrompt: 'query: ' },
    });
  });
});

const scored = (score: unknown, more = {}) => ({ sentence1: 'a', sentence2: 'b', score, ...more });
const first = { query: 'one', passage: 'two' };

describe('refused with file and line', () => {
  it.each([
    ['a score as text', [scored(1), scored('high')], '', /a\.jsonl, line 2: column "score" .* "high" is not a number/],
    ['a score that is no number', [scored(1), scored('nan')], '', /line 2: .* no finite number/],
    [
      'a score outside cosines',
      [scored(1), scored(4)],
      'loss: CosineSimilarityLoss\n',
      /line 2: the score is 4, .* Scale the scores/,
    ],
    [
      'a score beside 0 and 1',
      [scored(1), scored(0.5)],
      'loss: ContrastiveLoss\n',
      /line 2: the score is 0.5, .* learns from 0 and 1/,
    ],
    ['an empty second text', [scored(1), scored(2, { sentence2: ' ' })], '', /line 2: column "sentence2" is empty/],
    [
      'the same text twice',
      [first, { query: 'same', passage: 'same ' }],
      '',
      /line 2: "query" and "passage" are the same text, "same"/,
    ],
    ['an empty passage', [first, { query: 'x', passage: '' }], '', /line 2: column "passage" is empty/],
    ['an empty query', [first, { query: '', passage: 'x' }], '', /line 2: column "query" is empty/],
    [
      'a passage that is a list',
      [first, { query: 'x', passage: ['y'] }],
      '',
      /line 2: column "passage" holds no text but \["y"\]/,
    ],
    [
      'a negative that is the passage',
      [
        { ...first, negative: 'x' },
        { ...first, negative: 'two' },
      ],
      '',
      /line 2: "two" is both "passage" and a negative/,
    ],
    [
      'a missing negative',
      [
        { ...first, negative: 'x' },
        { ...first, negative: null },
      ],
      '',
      /line 2: column "negative" holds null/,
    ],
    [
      'fewer negatives',
      [
        { ...first, negatives: ['x', 'y'] },
        { ...first, negatives: ['x'] },
      ],
      '',
      /line 2: the row has 1 negatives, and the first row has 2/,
    ],
    [
      'no negative for triplets',
      [first, first],
      'loss: TripletLoss\n',
      /line 1: TripletLoss needs one negative, and the row has 0/,
    ],
  ])('%s', async (_, rows, more, reason) => {
    expect((await errorOf(open(rows, more))).message).toMatch(reason);
  });

  it.each([
    [
      'a loss of another form',
      'loss: CoSENTLoss\n',
      /CoSENTLoss learns from pairs with a score, and the rows are pairs of a text and its passage/,
    ],
    ['a loss that is not known', 'loss: InfoNCE\n', /loss/],
    ['an option that the loss does not have', 'margin: 1\n', /MultipleNegativesRankingLoss has no "margin"/],
    ['a column that is not there', 'negatives: [hard]\n', /no column "hard" of negatives; it has "query", "passage"/],
  ])('%s', async (_, more, reason) => {
    expect((await errorOf(open(pairs, more))).message).toMatch(reason);
  });

  it('classes of which none has two texts', async () => {
    const rows = ['x', 'y', 'z'].map((label, i) => ({ text: `text ${i}`, label }));
    expect((await errorOf(open(rows))).message).toMatch(/needs classes of two texts or more/);
  });

  it('changes of the loss that only classes have', () => {
    const changes = { settings: { labelSmoothing: 0.1 }, task: { name: 't', labels: [] }, examples: [] };
    expect(() => kinds.embedding.objective(changes)).toThrow('t has none');
  });
});
