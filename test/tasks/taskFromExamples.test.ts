import { expect, it } from 'vitest';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { taskFromExamples } from '../../src/tasks/taskFromExamples.js';

const rows = (count: number, label: (i: number) => unknown) =>
  Array.from({ length: count }, (_, i) => ({ text: `text ${i}`, label: label(i) }));

it('takes class names from the labels and holds a tenth out', async () => {
  const task = taskFromExamples(rows(40, (i) => (i % 2 === 0 ? 'spam' : 'ham')));
  expect(task).toMatchObject({
    name: 'examples',
    kind: kinds.classification,
    labels: ['ham', 'spam'],
    splits: ['train', 'dev'],
  });
  const [train, dev] = [await task.load('train'), await task.load('dev')];
  expect([train.examples.length, dev.examples.length]).toEqual([36, 4]);
  expect(dev.labelCounts).toEqual({ ham: 2, spam: 2 });
});

it('takes fractions for scores, and other splits where they are given', async () => {
  const score = (i: number) => i / 10;
  const task = taskFromExamples(rows(5, score), { name: 'warmth', dev: rows(3, score), test: rows(2, score) });
  expect(task).toMatchObject({ name: 'warmth', kind: kinds.regression, labels: [], splits: ['train', 'dev', 'test'] });
  expect((await task.load('test')).examples.map(({ label }) => label)).toEqual([0, 0.1]);
});

it('finds pairs, and columns of other names', async () => {
  const pairs = rows(4, (i) => i % 2).map((row) => ({ ...row, pair: 'second' }));
  expect((await taskFromExamples(pairs).load('train')).examples[0]).toMatchObject({ pair: 'second' });
  const renamed = rows(4, (i) => i % 2).map(({ text, label }) => ({ body: text, folder: label }));
  const columns = { text: 'body', label: 'folder' };
  expect(taskFromExamples(renamed, { columns }).columns).toEqual(columns);
});

it('asks for texts and spans as a task file does', async () => {
  const written = taskFromExamples(
    rows(4, (i) => `answer ${i}`),
    { kind: 'language', prompt: 'Q: {text}\nA: ' },
  );
  expect(written.generation).toMatchObject({ prompt: 'Q: {text}\nA:', lead: ' ', maxNewTokens: 64 });
  const passages = Array.from({ length: 4 }, () => ({ question: 'who', context: 'the dog', answers: 'dog' }));
  const span = taskFromExamples(passages, { kind: 'span' });
  expect((await span.load('train')).examples[0]).toMatchObject({ text: 'who', answers: [{ text: 'dog', start: 4 }] });
});

it.each([
  ['no examples', [], 'taskFromExamples needs examples'],
  ['a row without its text', [...rows(3, (i) => i % 2), { label: 1 }], 'examples, example 4: no column "text"'],
  [
    'a class of one example',
    [...rows(4, () => 'a'), { text: 'x', label: 'b' }],
    'examples, example 5: the only example of class "b"',
  ],
  [
    'an empty label',
    [...rows(4, (i) => i % 2), { text: 'x', label: '' }],
    'examples, example 5: column "label" is empty',
  ],
] as const)('names %s', (_, train, message) => {
  expect(() => taskFromExamples(train)).toThrow(message);
});
