import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../../src/data/types.js';
import { dataFileTask } from '../../../src/tasks/custom.js';
import { taskFromExamples } from '../../../src/tasks/taskFromExamples.js';
import type { ExampleRow } from '../../../src/tasks/taskOfRows.js';

/** The examples of rows. */
async function read(rows: readonly ExampleRow[]): Promise<readonly Example[]> {
  const task = taskFromExamples(rows, { dev: rows });
  expect(task.kind.name).toBe('preference');
  return (await task.load('train')).examples;
}

const question = { role: 'user', content: 'one and one?' };
const good = { role: 'assistant', content: 'two' };
const bad = { role: 'assistant', content: 'three' };
const row = { prompt: 'one and one?', chosen: 'two', rejected: 'three' };

/** A row twice, since one is no data. */
const one = async (given: ExampleRow) => (await read([given, given]))[0]!;

describe('forms of preferences', () => {
  it.each<[string, ExampleRow]>([
    ['texts', row],
    ['turns', { prompt: [question], chosen: [good], rejected: [bad] }],
    ['a text and turns', { prompt: 'one and one?', chosen: [good], rejected: 'three' }],
    ['conversations with the prompt in common', { chosen: [question, good], rejected: [question, bad] }],
    [
      'conversations beside their prompt',
      { prompt: 'one and one?', chosen: [question, good], rejected: [question, bad] },
    ],
    ['turns as JSON in a text', { prompt: 'one and one?', chosen: JSON.stringify([good]), rejected: 'three' }],
    [
      'dialogues in texts, as hh-rlhf has them',
      {
        chosen: '\n\nHuman: one and one?\n\nAssistant: two',
        rejected: '\n\nHuman: one and one?\n\nAssistant: three ',
      },
    ],
    ['a question', { question: 'one and one?', chosen: 'two', rejected: 'three' }],
    [
      'turns with keys of Parquet',
      { prompt: [{ ...question, name: null }], chosen: [good], rejected: [bad], tools: null },
    ],
  ])('tell %s as a prompt and two answers', async (_, given) => {
    const { conversation, judged } = await one(given);
    expect(conversation).toEqual({ messages: [question] });
    expect(judged).toEqual({ chosen: good, rejected: bad });
  });

  it('keep what the system says, and turns before the question', async () => {
    const system = { role: 'system', content: 'be brief' };
    expect((await one({ ...row, system: 'be brief' })).conversation).toEqual({ messages: [system, question] });
    const before = [system, question, good, { role: 'user', content: 'and two?' }];
    const given = { chosen: [...before, { ...good, content: 'four' }], rejected: [...before, bad] };
    expect((await one(given)).conversation).toEqual({ messages: before });
  });
});

const chosenTurns = (...turns: readonly unknown[]) => ({ chosen: turns, rejected: [question, bad] }) as ExampleRow;

describe('answers with a label', () => {
  const judged = { prompt: 'one and one?', completion: 'two', label: true };

  it('tell which are good ones', async () => {
    const [first, second] = await read([judged, { ...judged, completion: [bad], label: false }]);
    expect(first).toMatchObject({ conversation: { messages: [question] }, label: 1 });
    expect(first!.judged).toEqual({ answer: good, isDesirable: true });
    expect(second!.judged).toEqual({ answer: bad, isDesirable: false });
  });

  it.each<[string, readonly ExampleRow[], string]>([
    [
      'a label as text',
      [{ ...judged, label: 'good' }],
      'example 3: "label" is "good". Write true for a good answer, or false.',
    ],
    ['no label', [{ ...judged, label: null }], 'example 3: "label" is missing: nothing tells whether'],
    ['an empty answer', [{ ...judged, completion: '' }], 'example 3: "completion" is an empty answer'],
    ['no prompt', [{ ...judged, prompt: null }], 'example 3: "prompt" is missing: there is nothing to answer'],
    [
      'turns after the answer',
      [{ ...judged, completion: [good, question] }],
      'example 3: "completion" has 2 turns after',
    ],
    ['two answers', [row], 'example 3: the row has two answers, and row 1 has one answer with a label. Keep pairs and'],
  ])('with %s are an error with their place', (_, wrong, telling) => {
    const rows = [judged, { ...judged, label: false }, ...wrong];
    expect(() => taskFromExamples(rows, { dev: rows, kind: 'preference' })).toThrow(telling);
  });

  it('need good ones and bad ones', () => {
    const rows = [judged, judged];
    expect(() => taskFromExamples(rows, { dev: rows })).toThrow(
      'the label of every answer is true, so that there is nothing to tell apart',
    );
  });
});

describe('bad rows', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diffora-preference-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each<[string, ExampleRow, string]>([
    [
      'without a chosen answer',
      { ...row, chosen: null },
      '"chosen" is missing: one answer alone tells of no preference',
    ],
    ['without a rejected answer', { ...row, rejected: null }, '"rejected" is missing: one answer alone tells of no'],
    [
      'without both',
      { prompt: 'a?', chosen: null, rejected: null },
      'neither "chosen" and "rejected" nor "completion" and "label" are there',
    ],
    ['with one answer twice', { ...row, rejected: 'two' }, '"chosen" and "rejected" are the same answer'],
    ['with an empty answer', { ...row, chosen: '  ' }, '"chosen" is an empty answer. Write its text'],
    ['with an empty list', { ...row, chosen: [] }, '"chosen" is an empty answer'],
    ['with a number for an answer', { ...row, rejected: 3 }, '"rejected" is 3. Write a text, or a list of turns'],
    [
      'with content that is null',
      { ...row, chosen: [{ ...good, content: null }] },
      '"chosen", turn 1, of the assistant, has no content',
    ],
    [
      'with an unknown role',
      { ...row, chosen: [{ ...good, role: 'robot' }] },
      '"chosen", turn 1 has the unknown role "robot"',
    ],
    ['with an empty prompt', { ...row, prompt: ' ' }, 'there is no "prompt", and "chosen" is an answer alone'],
    [
      'with a prompt that ends in an answer',
      { ...row, prompt: [question, good] },
      'turn 3 is of the assistant, and so is the one before',
    ],
    [
      'with a late system',
      { ...row, prompt: [question, { role: 'system', content: 'x' }] },
      'the system speaks first or not at all',
    ],
    ['with other prompts', chosenTurns({ ...question, content: 'x' }, good), 'the prompts differ'],
    [
      'with another prompt beside',
      { ...chosenTurns(question, good), prompt: 'x' },
      'begin otherwise than "prompt" says',
    ],
    ['with one conversation twice', chosenTurns(question, bad), 'are the same conversation'],
    ['with a conversation that has no answer', chosenTurns(question), '"chosen" has no answer after the prompt'],
    [
      'with turns after the answer',
      chosenTurns(question, good, question, bad),
      '"chosen" has 3 turns after the prompt',
    ],
    [
      'with a conversation and an answer',
      { ...chosenTurns(question, good), rejected: 'three' },
      '"chosen" is a conversation, and "rejected" an answer alone',
    ],
    [
      'with a dialogue whose answer is empty',
      { chosen: '\n\nHuman: one?\n\nAssistant:', rejected: '\n\nHuman: one?\n\nAssistant: two' },
      '"chosen", turn 2 is an empty answer',
    ],
    [
      'with a dialogue in which the human speaks twice',
      {
        chosen: '\n\nHuman: one?\n\nHuman: two?\n\nAssistant: two',
        rejected: '\n\nHuman: one?\n\nHuman: two?\n\nAssistant: three',
      },
      'turn 2 is of the user, and so is the one before',
    ],
    ['with a system that is no text', { ...row, system: 3 }, '"system" is 3. Write a text'],
    ['with tools that are no list', { ...row, tools: 'a hammer' }, '"tools" is "a hammer"'],
  ])('%s are an error with their place', async (_, given, telling) => {
    const file = join(folder, 'pairs.jsonl');
    await writeFile(file, [row, given].map((one) => `${JSON.stringify(one)}\n`).join(''));
    const opened = dataFileTask(file, { warn: expect.fail });
    await expect(opened).rejects.toThrow(telling);
    await expect(opened).rejects.toThrow(`${file}, line 2: `);
  });
});
