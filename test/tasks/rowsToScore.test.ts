import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { openTask } from '../../src/tasks/openTask.js';
import { rowsToScore } from '../../src/tasks/rowsToScore.js';
import type { LearnedTask } from '../../src/tasks/task.js';
import type { ColumnOptions } from '../../src/tasks/taskOptions.js';
import { errorOf, folderOf } from '../data/files.js';

const warn = (message: string) => expect.fail(`unexpected warning: ${message}`);

/** A file's rows for a learned task: the task, and its examples. */
async function score(
  learned: LearnedTask,
  name: string,
  content: string,
  options: ColumnOptions & { readonly warn?: (message: string) => void } = {},
) {
  const path = join(await folderOf({ [name]: content }), name);
  const task = await rowsToScore(path, learned, { warn, ...options });
  expect(task.splits).toEqual(['test']);
  const split = await task.load('test');
  expect(split.source).toBe(path);
  return { task, examples: split.examples };
}

/** Without what task.json does not hold. */
async function learned(name: string): Promise<LearnedTask> {
  const { splits: _, load: _load, inColumns: _in, toScore: _to, ...rest } = await openTask(name, { warn });
  return rest;
}

describe('all rows of a file, for a task that was learned', () => {
  const reviews: LearnedTask = {
    name: 'reviews',
    kind: kinds.classification,
    labels: ['good', 'bad'],
    columns: { text: 'review', label: 'stars' },
    metrics: ['accuracy'],
  };

  it('have its labels in its order, be there one class only', async () => {
    const { task, examples } = await score(reviews, 'a.csv', 'review,stars\nx,bad\n');
    expect(task).toMatchObject({ name: 'a', labels: ['good', 'bad'], metrics: ['accuracy'] });
    expect(examples).toEqual([{ id: '2', text: 'x', label: 1 }]);
  });

  it('may be a JSON list, and have other columns where those are named', async () => {
    const { examples } = await score(reviews, 'a.json', '[{"t":"x","stars":"good"}]', { textColumn: 't' });
    expect(examples).toEqual([{ id: '1', text: 'x', label: 0 }]);
  });

  it('of an adapter that says nothing have the usual columns and the labels that occur, whose order is said', async () => {
    const warnings: string[] = [];
    const unknown = { ...reviews, foreign: true, labels: ['LABEL_0', 'LABEL_1'] } as const;
    const rows = 'sentence1,sentence2,label\na,b,yes\nc,d,no\n';
    const { task, examples } = await score(unknown, 'a.csv', rows, { warn: (line) => void warnings.push(line) });
    expect(task.labels).toEqual(['no', 'yes']);
    expect(warnings).toEqual([expect.stringMatching(/the labels of .*a\.csv are taken in order, 0 = no, 1 = yes\.$/)]);
    expect(examples.map(({ text, pair, label }) => [text, pair, label])).toEqual([
      ['a', 'b', 1],
      ['c', 'd', 0],
    ]);
  });

  it('of an adapter whose base names the classes have those, in its order', async () => {
    const named = { ...reviews, foreign: true, labels: ['yes', 'no'] } as const;
    const { examples } = await score(named, 'a.csv', 'sentence,label\na,yes\nb,no\n');
    expect(examples.map(({ label }) => label)).toEqual([0, 1]);
  });

  it('of a known task have any form that it reads, and are scored as it scores', async () => {
    const row = { question: 'is it so', answer: false, passage: '' };
    const boolq = await score(await learned('boolq'), 'dev.jsonl', JSON.stringify(row));
    expect(boolq.examples).toMatchObject([{ references: ['the correct answer is false'], label: 1 }]);
    const csv = 'meaning_representation,human_reference\nname[A],a.\nname[A],b.\n';
    const e2e = await score(await learned('e2e'), 'a.csv', csv);
    expect(e2e.examples).toEqual([{ id: '2', text: 'name : A', references: [' a.', ' b.'] }]);
  });

  it('are refused by file and line for a label, and for a column, that the task has not', async () => {
    expect((await errorOf(score(reviews, 'a.csv', 'review,stars\nx,ugly\n'))).message).toMatch(
      /a\.csv, line 2: the label "ugly" is not one of a's: "good", "bad"/,
    );
    expect((await errorOf(score(reviews, 'a.csv', 'text,stars\nx,bad\n'))).message).toMatch(/has no column "review"/);
  });
});
