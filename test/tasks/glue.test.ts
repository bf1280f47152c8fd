import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { splitHash } from '../../src/data/split.js';
import type { SplitName } from '../../src/data/types.js';
import { openTask } from '../../src/tasks/openTask.js';
import { errorOf, folderOf } from '../data/files.js';
import { hasShared, sharedDir } from '../shared.js';

const warn = (message: string) => expect.fail(`unexpected warning: ${message}`);
const open = (name: string, dataDir: string) => openTask(name, { dataDir, warn });

describe('GLUE files', () => {
  it('CoLA has no header, and literal quotes', async () => {
    const dataDir = await folderOf({ 'cola/train.tsv': 'gj04\t1\t\t"Fine.\r\nks08\t0\t*\tThe it "is.\n' });
    const task = await open('cola', dataDir);
    const { examples, labelCounts, source } = await task.load('train');
    expect(examples).toEqual([
      { id: '1', text: '"Fine.', label: 1 },
      { id: '2', text: 'The it "is.', label: 0 },
    ]);
    expect(labelCounts).toEqual({ unacceptable: 1, acceptable: 1 });
    expect(source).toBe(join(dataDir, 'cola/train.tsv'));
  });

  it('MRPC begins with a byte order mark', async () => {
    const header = '\uFEFFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n';
    const dataDir = await folderOf({ 'MRPC/msr_paraphrase_test.txt': `${header}1\t7\t8\tHe said "a.\tHe said a.` });
    const { examples } = await (await open('mrpc', dataDir)).load('test');
    expect(examples).toEqual([{ id: '2', text: 'He said "a.', pair: 'He said a.', label: 1 }]);
  });

  it('STS-B has 7 to 9 columns without a header, or the form GLUE gave it', async () => {
    const row = 'main\tMSRvid\t2012\t0001\t3.800\tA plane.\tAn air "plane.';
    const original = await folderOf({ 'stsb/sts-train.tsv': `${row}\n${row}\tsource1\n${row}\tsource1\tsource2\n` });
    const { examples, labelCounts } = await (await open('stsb', original)).load('train');
    expect(examples).toHaveLength(3);
    expect(examples[2]).toEqual({ id: '3', text: 'A plane.', pair: 'An air "plane.', label: 3.8 });
    expect(labelCounts).toEqual({});

    const header = 'index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n';
    const glue = await folderOf({ 'STS-B/train.tsv': `${header}0\tg\tf\ty\to\ts\ts\tA plane.\tA "bird.\t1.5\n` });
    expect((await (await open('stsb', glue)).load('train')).examples).toEqual([
      { id: '2', text: 'A plane.', pair: 'A "bird.', label: 1.5 },
    ]);
  });

  it('may be gzipped, and lie in a folder spelled as GLUE does', async () => {
    const dataDir = await folderOf({ 'SST-2/train.tsv.gz': gzipSync('sentence\tlabel\nfine \t1\n') });
    expect((await (await open('SST-2', dataDir)).load('train')).examples).toEqual([
      { id: '2', text: 'fine ', label: 1 },
    ]);
  });

  it('name labels by word in RTE', async () => {
    const dataDir = await folderOf({
      'rte/dev.tsv': 'index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n1\tc\td\tentailment\n',
    });
    const { examples } = await (await open('rte', dataDir)).load('dev');
    expect(examples.map(({ label }) => label)).toEqual([1, 0]);
  });

  it('name questions and sentences in QNLI and QQP, and number the classes of WNLI', async () => {
    const dataDir = await folderOf({
      'QNLI/dev.tsv': 'index\tquestion\tsentence\tlabel\n0\tWho "is it?\tHe is.\tnot_entailment\n',
      'QQP/dev.tsv': 'id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n7\t1\t2\tWhy?\tHow come?\t1\n',
      'WNLI/dev.tsv': 'index\tsentence1\tsentence2\tlabel\n0\tHe put it there.\tHe put a cup there.\t1\n',
    });
    const first = async (name: string) => (await (await open(name, dataDir)).load('dev')).examples[0];
    expect(await first('qnli')).toMatchObject({ text: 'Who "is it?', pair: 'He is.', label: 1 });
    expect(await first('qqp')).toMatchObject({ text: 'Why?', pair: 'How come?', label: 1 });
    expect(await first('wnli')).toMatchObject({ text: 'He put it there.', pair: 'He put a cup there.', label: 1 });
  });

  it('score MNLI on the matched and, under another name, on the mismatched part', async () => {
    const header = 'index\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n';
    const row = (genre: string, label: string) => `0\t1\t${genre}\tAll "men.\tSome men.\t${label}\t${label}\n`;
    const dataDir = await folderOf({
      'MNLI/train.tsv': header + row('fiction', 'neutral'),
      'MNLI/dev_matched.tsv': header + row('fiction', 'entailment'),
      'MNLI/dev_mismatched.tsv': header + row('letters', 'contradiction'),
    });
    const labelOf = async (name: string, split: SplitName) =>
      (await (await open(name, dataDir)).load(split)).examples[0]!.label;
    expect(await labelOf('mnli', 'train')).toBe(1);
    expect(await labelOf('mnli', 'dev')).toBe(0);
    expect(await labelOf('MNLI-mm', 'train')).toBe(1);
    expect(await labelOf('MNLI-mm', 'dev')).toBe(2);
  });

  it('give the same hash for the same rows and another for others', async () => {
    const hashOf = async (content: string) => {
      const dataDir = await folderOf({ 'sst2/dev.tsv': content });
      return splitHash(await (await open('sst2', dataDir)).load('dev'));
    };
    const hash = await hashOf('sentence\tlabel\na\t1\nb\t0\n');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await hashOf('label\tsentence\r\n1\ta\r\n0\tb')).toBe(hash);
    expect(await hashOf('sentence\tlabel\na\t1\nb\t1\n')).not.toBe(hash);
    expect(await hashOf('sentence\tlabel\nb\t0\na\t1\n')).not.toBe(hash);
  });
});

describe('GLUE tasks that cannot be read', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('ask offline for --data-dir, and take DIFFORA_DATA for it', async () => {
    vi.stubEnv('DIFFORA_DATA', undefined);
    const task = await openTask('cola', { warn, env: { HF_HOME: await folderOf({}), HF_HUB_OFFLINE: '1' } });
    expect((await errorOf(task.load('train'))).message).toMatch(/cola.*--data-dir or DIFFORA_DATA/);
    vi.stubEnv('DIFFORA_DATA', await folderOf({ 'cola/dev.tsv': 'a\t1\t\tb\n' }));
    expect((await (await openTask('cola', { warn })).load('dev')).examples).toHaveLength(1);
  });

  it('name the file they miss, the folder that is not there, the split that has no labels', async () => {
    const empty = await folderOf({});
    const task = await open('mrpc', empty);
    const { message } = await errorOf(task.load('train'));
    expect(message).toContain(
      `${join(empty, 'mrpc/train.tsv')}[.gz] does not exist (the folder may also be called MRPC)`,
    );
    const nowhere = await open('mrpc', join(empty, 'none'));
    expect((await errorOf(nowhere.load('train'))).message).toContain(`${join(empty, 'none')} does not exist`);
    const cola = await open('cola', empty);
    expect((await errorOf(cola.load('test'))).message).toBe(
      'The task cola has no labelled test split, only train and dev. Choose another split.',
    );
  });

  it.each([
    [
      'a label outside the set',
      'a\t1\t\tb\na\t2\t\tc\n',
      /train\.tsv, line 2: the label "2" is not one of cola's: "un/,
    ],
    ['a ragged row', 'a\t1\t\tb\na\t1\tc\n', /train\.tsv, line 2: the row has 3 columns where 4 are expected/],
    ['no rows', '', /train\.tsv has no rows/],
    ['an empty label', 'a\t\t\tb\n', /train\.tsv, line 1: column "label" is empty/],
  ])('name %s by file and line', async (_, content, reason) => {
    const task = await open('cola', await folderOf({ 'cola/train.tsv': content }));
    expect((await errorOf(task.load('train'))).message).toMatch(reason);
  });

  it('list the columns there are when one is missing', async () => {
    const task = await open('sst2', await folderOf({ 'sst2/train.tsv': 'sentense\tlabel\na\t1\n' }));
    expect((await errorOf(task.load('train'))).message).toMatch(
      /has no column "sentence"; it has "sentense", "label"\. Did you mean "sentense"\?/,
    );
  });
});

describe.skipIf(!hasShared('data/cola'))('the real GLUE files', () => {
  // Rows and labels as ../shared/data/SOURCES.md counts them.
  const counted: [string, SplitName, number, Record<string, number>][] = [
    ['cola', 'train', 8551, { unacceptable: 2528, acceptable: 6023 }],
    ['cola', 'dev', 1043, { unacceptable: 322, acceptable: 721 }],
    ['rte', 'train', 2490, { entailment: 1249, not_entailment: 1241 }],
    ['rte', 'dev', 277, { entailment: 146, not_entailment: 131 }],
    ['mrpc', 'train', 3668, { not_equivalent: 1194, equivalent: 2474 }],
    ['mrpc', 'dev', 408, { not_equivalent: 129, equivalent: 279 }],
    ['mrpc', 'test', 1725, { not_equivalent: 578, equivalent: 1147 }],
    ['qnli', 'dev', 5463, { entailment: 2702, not_entailment: 2761 }],
    ['sst2', 'train', 67349, { negative: 29780, positive: 37569 }],
    ['sst2', 'dev', 872, { negative: 428, positive: 444 }],
    ['stsb', 'train', 5749, {}],
    ['stsb', 'dev', 1500, {}],
    ['stsb', 'test', 1379, {}],
  ];

  it.each(counted)('%s %s has %i rows', async (name, split, rows, labelCounts) => {
    const loaded = await (await open(name, sharedDir('data'))).load(split);
    expect(loaded.examples).toHaveLength(rows);
    expect(loaded.labelCounts).toEqual(labelCounts);
    expect(loaded.examples.every(({ text, pair }) => text.trim() !== '' && pair?.trim() !== '')).toBe(true);
  });

  it.each([
    ['train', 2.701],
    ['dev', 2.364],
    ['test', 2.608],
  ] as const)('stsb %s has the mean score %d', async (split, expected) => {
    const { examples } = await (await open('stsb', sharedDir('data'))).load(split);
    const scores = examples.map(({ label }) => label!);
    expect(scores.reduce((sum, score) => sum + score, 0) / scores.length).toBeCloseTo(expected, 3);
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...scores)).toBeLessThanOrEqual(5);
  });
});
