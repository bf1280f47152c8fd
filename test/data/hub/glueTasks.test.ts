import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SplitName } from '../../../src/data/types.js';
import { openTask } from '../../../src/tasks/openTask.js';
import { COMMIT } from '../../checkpoint/hub-server.js';
import { errorOf, folderOf } from '../files.js';
import { glueFiles, glueHub, parquetDataset } from './glueHub.js';

const test = glueHub();
afterEach(() => vi.unstubAllEnvs());

/** A task that reads from the hub, whatever DIFFORA_DATA says outside of the test. */
function open(name: string, env: Record<string, string> = {}) {
  vi.stubEnv('DIFFORA_DATA', undefined);
  return openTask(name, test.options(env));
}

describe('GLUE from the hub', () => {
  // The first text of each row is the name that nyu-mll/glue gives to the number in its column "label" (its glue.py).
  it.each<[string, SplitName, string, string[], string?]>([
    ['cola', 'dev', 'cola/validation', ['unacceptable', 'acceptable']],
    ['sst2', 'dev', 'sst2/validation', ['negative', 'positive']],
    ['mrpc', 'dev', 'mrpc/validation', ['not_equivalent', 'equivalent'], 'of validation'],
    ['mrpc', 'test', 'mrpc/test', ['not_equivalent'], 'of test'],
    ['qqp', 'dev', 'qqp/validation', ['not_duplicate', 'duplicate'], 'of validation'],
    ['mnli', 'dev', 'mnli/validation_matched', ['entailment', 'neutral', 'contradiction'], 'of validation_matched'],
    [
      'mnli-mm',
      'dev',
      'mnli/validation_mismatched',
      ['entailment', 'neutral', 'contradiction'],
      'of validation_mismatched',
    ],
    ['qnli', 'dev', 'qnli/validation', ['entailment', 'not_entailment'], 'of validation'],
    ['rte', 'dev', 'rte/validation', ['entailment', 'not_entailment'], 'of validation'],
    ['wnli', 'dev', 'wnli/validation', ['not_entailment', 'entailment'], 'of validation'],
  ])('%s %s is %s, its numbers meaning %j', async (name, split, path, names, pair) => {
    const task = await open(name);
    const { examples, source } = await task.load(split);
    expect(source).toBe(`hf://datasets/nyu-mll/glue@${COMMIT}/${path}`);
    expect(examples.map(({ text }) => text)).toEqual(names);
    expect(examples.map(({ label }) => task.labels[label!])).toEqual(names);
    expect(new Set(examples.map((example) => example.pair))).toEqual(new Set([pair]));
    expect(examples.map(({ id }) => id)).toEqual(names.map((_, i) => String(i + 1)));
  });

  it('stsb has scores, which the hub keeps in 32 bits', async () => {
    const { examples } = await (await open('stsb')).load('dev');
    expect(examples).toEqual([
      { id: '1', text: 'a', pair: 'b', label: Math.fround(3.8) },
      { id: '2', text: 'c', pair: 'd', label: 0 },
    ]);
  });

  it('has no labels for most test splits, and says so', async () => {
    const { message } = await errorOf((await open('stsb')).load('test'));
    expect(message).toMatch(/stsb has no labelled test split on the hub; .*--data-dir/);
    expect((await errorOf((await open('rte')).load('test'))).message).toMatch(
      /rte has no labelled test split, only train and dev/,
    );
    expect(test.hub.requests).toEqual([]);
  });

  it('refuses a row whose label is held back', async () => {
    const files = await glueFiles();
    const dataset = parquetDataset({ 'cola/validation/0000.parquet': files['cola/test/0000.parquet']! });
    await test.restart({ 'datasets/nyu-mll/glue': dataset });
    expect((await errorOf((await open('cola')).load('dev'))).message).toMatch(
      /glue@[0-9a-f]{40}\/cola\/validation, line 1: the row has no label \(-1\)\. .*--data-dir or DIFFORA_DATA/,
    );
  });
});

describe('a data folder', () => {
  it('comes before the hub and its cache, with the option as with DIFFORA_DATA', async () => {
    const dataDir = await folderOf({ 'cola/dev.tsv': 'gj04\t1\t\tFrom the folder.\n' });
    await (await open('cola')).load('dev');
    test.hub.requests.length = 0;
    const named = await (await openTask('cola', { ...test.options(), dataDir })).load('dev');
    vi.stubEnv('DIFFORA_DATA', dataDir);
    const found = await (await openTask('cola', test.options())).load('dev');
    for (const { examples, source } of [named, found]) {
      expect(examples.map(({ text }) => text)).toEqual(['From the folder.']);
      expect(source).toBe(join(dataDir, 'cola/dev.tsv'));
    }
    expect(test.hub.requests).toEqual([]);
  });

  it('that lacks the file is an error, and the hub is not asked instead', async () => {
    const dataDir = await folderOf({});
    const task = await openTask('cola', { ...test.options(), dataDir });
    expect((await errorOf(task.load('dev'))).message).toContain(`${join(dataDir, 'cola/dev.tsv')}[.gz] does not exist`);
    expect(test.hub.requests).toEqual([]);
  });
});
