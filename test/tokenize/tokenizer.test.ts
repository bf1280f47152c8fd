import { createHash } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { loadTokenizer, type Tokenizer } from '../../src/tokenize/index.js';
import { folderOf } from '../data/files.js';
import { hasShared, REPOSITORY, sharedDir } from '../shared.js';

interface Case {
  readonly text: string;
  readonly pair: string | null;
  readonly maxLength: number | null;
  readonly ids: readonly number[];
  readonly tokenTypeIds: readonly number[];
}
interface Fixture {
  readonly vocabSize: number;
  readonly padTokenId: number;
  readonly datasets?: Readonly<Record<string, { rows: number; whole: string; at48: string }>>;
  readonly cases: readonly Case[];
}

const TINY = join(REPOSITORY, 'test/fixtures/tiny-tokenizer');
const BERT = sharedDir('models/bert_uncased_tokenizer');

/** Made with transformers by test/oracle/tokenizer_fixture.py. */
async function fixture(name: string): Promise<Fixture> {
  return JSON.parse(await readFile(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as Fixture;
}

function expectPythonIds(tokenizer: Tokenizer, cases: readonly Case[]): void {
  for (const { text, pair, maxLength, ids, tokenTypeIds } of cases) {
    const whole = tokenizer.encode(text, pair ?? undefined);
    const got = maxLength === null ? whole : tokenizer.encodeTruncated(text, pair ?? undefined, maxLength);
    const where = JSON.stringify({ text, pair, maxLength });
    expect([...got.ids], where).toEqual(ids);
    expect([...got.tokenTypeIds], where).toEqual(tokenTypeIds);
    if ('truncated' in got) expect(got.truncated, where).toBe(whole.ids.length > ids.length);
  }
}

/** A copy of the tiny tokenizer with one file changed, or taken away. */
async function changed(file: string, change: (text: string) => string | undefined): Promise<string> {
  const folder = await folderOf({});
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'vocab.txt']) {
    await copyFile(join(TINY, name), join(folder, name));
  }
  const text = change(await readFile(join(TINY, file), 'utf8'));
  if (text !== undefined) await writeFile(join(folder, file), text);
  return folder;
}

describe('the tiny tokenizer', () => {
  let tiny: Tokenizer;
  let python: Fixture;
  beforeAll(async () => {
    tiny = await loadTokenizer(TINY);
    python = await fixture('tiny');
  });

  it("gives Python's ids and token types for odd texts, pairs and lengths", () => {
    expect(python.cases.length).toBeGreaterThan(90);
    expectPythonIds(tiny, python.cases);
  });

  it('knows its pad token, its length, its size and its files', () => {
    expect(tiny.padTokenId).toBe(python.padTokenId);
    expect(tiny.vocabSize).toBe(python.vocabSize);
    expect(tiny.modelMaxLength).toBe(128);
    expect(tiny.files.map((file) => basename(file))).toEqual([
      'tokenizer.json',
      'tokenizer_config.json',
      'special_tokens_map.json',
      'vocab.txt',
    ]);
  });

  it('ignores the truncation and padding that tokenizer.json carries', async () => {
    const carried = JSON.parse(await readFile(join(TINY, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
    expect(carried).toMatchObject({ truncation: { max_length: 16 }, padding: { strategy: { Fixed: 16 } } });
    expect(tiny.encode('the '.repeat(40)).ids).toHaveLength(42);
    expect(tiny.encode('the').ids).toHaveLength(3);
  });

  it('tells an empty pair from no pair', () => {
    expect(tiny.encode('the', '').ids).toHaveLength(4);
    expect(tiny.encode('the').ids).toHaveLength(3);
  });

  it('drops from the left where the config says so', async () => {
    const folder = await changed('tokenizer_config.json', (text) => text.replace('{', '{"truncation_side": "left",'));
    const left = await loadTokenizer(folder);
    const [cls, ...rest] = left.encode('one two three').ids;
    expect(left.encodeTruncated('one two three', undefined, 4).ids).toEqual([cls, ...rest.slice(1)]);
  });

  it('refuses a length that has no room for the special tokens', () => {
    expect(() => tiny.encodeTruncated('the', 'cat', 2)).toThrow(/2 tokens has no room for the 3 special tokens/);
    expect(tiny.encodeTruncated('the', 'cat', 3).ids).toHaveLength(3);
  });

  it('states no length where the config has none, or a number that means none', async () => {
    const huge = await changed('tokenizer_config.json', (text) => text.replace('128', '1e30'));
    expect((await loadTokenizer(huge)).modelMaxLength).toBeUndefined();
  });
});

describe('a broken tokenizer', () => {
  async function failure(folder: string): Promise<DiffoError> {
    const error: unknown = await loadTokenizer(folder).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DiffoError);
    return error as DiffoError;
  }

  it('is named with a cure when tokenizer.json is missing', async () => {
    const folder = await folderOf({});
    const { message } = await failure(folder);
    expect(message).toContain(`${folder} has no tokenizer.json`);
    expect(message).toContain('save_pretrained');
  });

  it('is named by file when the JSON is cut short', async () => {
    const folder = await changed('tokenizer.json', (text) => text.slice(0, 500));
    expect((await failure(folder)).message).toContain(join(folder, 'tokenizer.json'));
  });

  it.each([
    ['has no model', (text: string) => text.replace('"model":', '"modell":'), /no "model"/],
    ['has an unknown model', (text: string) => text.replaceAll('"WordPiece"', '"Syllables"'), /Syllables/],
    [
      'has an unknown template',
      (text: string) => text.replace('"TemplateProcessing"', '"Sandwich"'),
      /Sandwich.*not supported/,
    ],
  ])('is named by file when it %s', async (_, change, reason) => {
    const folder = await changed('tokenizer.json', change);
    const { message } = await failure(folder);
    expect(message).toContain('tokenizer.json');
    expect(message).toMatch(reason);
  });
});

describe.skipIf(!hasShared('models/bert_uncased_tokenizer'))("BERT's tokenizer", () => {
  it("gives Python's ids and token types for odd texts, pairs and lengths", async () => {
    const python = await fixture('bert');
    const bert = await loadTokenizer(BERT);
    expect([bert.vocabSize, bert.padTokenId, bert.modelMaxLength]).toEqual([30522, 0, 512]);
    expectPythonIds(bert, python.cases);
  });

  it.skipIf(!hasShared('data/cola'))("gives Python's ids on every sentence of five data sets", async () => {
    const bert = await loadTokenizer(BERT);
    const { datasets } = await fixture('bert');
    const columns: Record<string, readonly [number, number?]> = { cola: [3], rte: [1, 2], mrpc: [3, 4], stsb: [5, 6] };
    for (const [path, python] of Object.entries(datasets!)) {
      const [text, pair] = columns[path.split('/')[0]!]!;
      const bytes = await readFile(sharedDir('data', path));
      const content = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').replace(/^\uFEFF/, '');
      const lines = content.split('\n').filter((line) => line !== '');
      const rows = lines.slice(lines.length - python.rows).map((line) => line.split('\t'));
      for (const [name, maxLength] of [['whole', undefined] as const, ['at48', 48] as const]) {
        const sha = createHash('sha256');
        for (const row of rows) {
          const second = pair === undefined ? undefined : row[pair]!;
          const { ids, tokenTypeIds } =
            maxLength === undefined
              ? bert.encode(row[text]!, second)
              : bert.encodeTruncated(row[text]!, second, maxLength);
          sha.update(`${ids.join(',')}|${tokenTypeIds.join(',')}\n`);
        }
        expect(sha.digest('hex'), `${path} ${name}`).toBe(python[name]);
      }
    }
  });
});
