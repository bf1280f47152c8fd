import { describe, expect, it } from 'vitest';
import { splitHash } from '../../src/data/split.js';
import { spacedPrompt, withLead } from '../../src/tasks/encoding/prompt.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { openTask } from '../../src/tasks/openTask.js';
import { errorOf, folderOf } from '../data/files.js';
import { hasShared, sharedDir } from '../shared.js';

const warn = (message: string) => expect.fail(`unexpected warning: ${message}`);
const open = (name: string, dataDir: string) => openTask(name, { dataDir, warn });

describe('a prompt', () => {
  it('that ends in spaces gives them to what is written after it', () => {
    const generation = spacedPrompt({ prompt: 'Q: {text}\nA:  ', maxNewTokens: 3, answer: 'x' });
    expect(generation).toEqual({ prompt: 'Q: {text}\nA:', lead: '  ', maxNewTokens: 3, answer: 'x' });
    const example = { id: '1', text: 'a ', references: ['b'], choices: ['b', 'c'], label: 0 };
    expect(withLead(example, generation)).toEqual({
      id: '1',
      text: 'a ',
      references: ['  b'],
      choices: ['  b', '  c'],
      label: 0,
    });
    expect(withLead({ id: '1', text: 'a' }, generation)).toEqual({ id: '1', text: 'a' });
  });

  it('that ends in a new line keeps it', () => {
    const generation = spacedPrompt({ prompt: '{text}\n', maxNewTokens: 3 });
    expect(generation).toEqual({ prompt: '{text}\n', maxNewTokens: 3 });
    expect(withLead({ id: '1', text: 'a', references: ['b'] }, generation).references).toEqual(['b']);
  });
});

describe('E2E files', () => {
  const MEANING = '"name[Blue Spice], eatType[pub], priceRange[£20-25], customer rating[low], familyFriendly[no]"';
  const LINE = 'name : Blue Spice | Type : pub | price : £20-25 | customer rating : low | family friendly : no';
  const csv = `mr,ref\n${MEANING},A pub. \n"name[Cotto], near[All Bar One, Ely]",Cotto.\n${MEANING},"A pub, ""dear""."\n`;

  it('are told as LoRA tells them; in training each text is a row', async () => {
    const task = await open('e2e', await folderOf({ 'e2e/trainset.csv': csv }));
    expect(task).toMatchObject({
      kind: kinds.language,
      metrics: ['bleu', 'nist', 'rouge_l'],
      generation: { prompt: '{text} ||', maxNewTokens: 96 },
      maxLength: 128,
      splits: ['train', 'dev', 'test'],
    });
    expect((await task.load('train')).examples).toEqual([
      { id: '2', text: LINE, references: [' A pub.'] },
      { id: '3', text: 'name : Cotto | near : All Bar One, Ely', references: [' Cotto.'] },
      { id: '4', text: LINE, references: [' A pub, "dear".'] },
    ]);
  });

  it('gather all texts of the same attributes to score on, in order', async () => {
    const task = await open('e2e', await folderOf({ 'E2E/devset.csv': csv, 'E2E/testset_w_refs.csv': csv }));
    for (const split of ['dev', 'test'] as const) {
      expect((await task.load(split)).examples).toEqual([
        { id: '2', text: LINE, references: [' A pub.', ' A pub, "dear".'] },
        { id: '3', text: 'name : Cotto | near : All Bar One, Ely', references: [' Cotto.'] },
      ]);
    }
  });

  it.each([
    [
      'attributes of another form',
      'mr,ref\n"name[A], pub",A.\n',
      /trainset\.csv, line 2: "pub" is not of the form name\[value\]/,
    ],
    ['a row without a text', 'mr,ref\nname[A],\n', /line 2: column "ref" is empty/],
    ['a missing column', 'mr,text\nname[A],A\n', /has no column "ref"/],
  ])('are refused for %s', async (_, content, reason) => {
    const task = await open('e2e', await folderOf({ 'e2e/trainset.csv': content }));
    expect((await errorOf(task.load('train'))).message).toMatch(reason);
  });

  // Rows as ../shared/data/SOURCES.md counts them; sets of attributes as E2E's authors do.
  it.skipIf(!hasShared('data/e2e')).each([
    ['dev', 547, 4672, '9d79c2f5cb10bb7b008fec42ee8be8c42fa8d821e3407e2e6f05cb2c449fd3c7'],
    ['test', 630, 4693, 'dd79fbebe97a95f2e7e3cc2153959726d3476254605e85d4663ec46b72e90a7a'],
  ] as const)('%s has %i sets of attributes and %i texts', async (split, sets, texts, expected) => {
    const read = await (await open('e2e', sharedDir('data'))).load(split);
    const { examples } = read;
    expect(examples).toHaveLength(sets);
    const references = examples.flatMap((example) => example.references!);
    expect(references).toHaveLength(texts);
    expect(references.every((text) => / \S/.test(text) && text === ` ${text.trim()}`)).toBe(true);
    expect(examples.every(({ text }) => /^name : [^[\]]+$/.test(text))).toBe(true);
    expect(splitHash(read)).toBe(expected);
  });
});

describe('GSM8K files', () => {
  const row = (question: string, answer: string) => `${JSON.stringify({ question, answer })}\n`;

  it('give question and worked answer, a space between them', async () => {
    const dataDir = await folderOf({
      'gsm8k/test.jsonl': row('What is 600 + 600?', 'It is <<600+600=1200>>.\n#### 1,200'),
    });
    const task = await open('GSM8K', dataDir);
    expect(task).toMatchObject({
      kind: kinds.language,
      columns: { text: 'question', label: 'answer' },
      metrics: ['exact_match', 'log_likelihood'],
      generation: { prompt: 'Question: {text}\nAnswer:', maxNewTokens: 256 },
      maxLength: 512,
    });
    const { examples } = await task.load('test');
    expect(examples).toEqual([
      { id: '1', text: 'What is 600 + 600?', references: [' It is <<600+600=1200>>.\n#### 1,200'] },
    ]);
    expect(new RegExp(task.generation!.answer!).exec(examples[0]!.references![0]!)?.[1]).toBe('1,200');
  });

  it('hold out a tenth for dev', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => row(`${i}?`, `#### ${i}`)).join('');
    const task = await open('gsm8k', await folderOf({ 'gsm8k/train.jsonl': rows }));
    expect((await task.load('train')).examples).toHaveLength(36);
    expect((await task.load('dev')).examples).toHaveLength(4);
  });

  it.skipIf(!hasShared('data/gsm8k'))('has 7,473 and 1,319 rows, each with a number to be found', async () => {
    const task = await open('gsm8k', sharedDir('data'));
    const [train, dev, test] = [await task.load('train'), await task.load('dev'), await task.load('test')];
    expect([train.examples.length, dev.examples.length, test.examples.length]).toEqual([6726, 747, 1319]);
    expect(train.examples.length + dev.examples.length).toBe(7473);
    const answer = new RegExp(task.generation!.answer!);
    for (const { references } of [...train.examples, ...dev.examples, ...test.examples]) {
      // The answer is the last line of each row.
      expect(Number(answer.exec(references![0]!)?.[1]?.replaceAll(',', ''))).not.toBeNaN();
      expect(references![0]!.split('\n').at(-1)).toMatch(/^#### -?[\d.,]+$/);
    }
    expect(splitHash(dev)).toBe('096a4872a46127c6a3858d8abfdf837870bd4254c15f2d74d84d659fc12e926c');
  });
});
