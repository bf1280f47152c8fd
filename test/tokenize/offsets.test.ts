import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer, type Tokenizer } from '../../src/tokenize/index.js';
import { folderOf } from '../data/files.js';
import { hasShared, sharedDir } from '../shared.js';

type Offsets = readonly (readonly [number, number])[];

// Made by test/oracle/offsets_fixture.py.
const python = JSON.parse(readFileSync(new URL('fixtures/offsets.json', import.meta.url), 'utf8')) as {
  readonly hard: readonly string[];
  readonly tokenizers: Readonly<Record<string, { tokens: number; sha256: string; hard: readonly Offsets[] }>>;
};
const classes: Readonly<Record<string, string>> = {
  roberta_tokenizer: 'RobertaTokenizer',
  deberta_v3_tokenizer: 'DebertaV2Tokenizer',
};

/** A folder of ../shared/models, with the tokenizer_config.json that says what its files are. */
async function open(name: string): Promise<Tokenizer> {
  const source = sharedDir('models', name);
  if (classes[name] === undefined) return loadTokenizer(source);
  const folder = await folderOf({});
  await cp(source, folder, { recursive: true });
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ tokenizer_class: classes[name] }));
  return loadTokenizer(folder);
}

describe.skipIf(!hasShared('models') || !hasShared('data', 'xquad'))('places of tokens (needs ../shared)', () => {
  it.each(Object.keys(python.tokenizers))("%s: are those of transformers' fast tokenizer", async (name) => {
    const tokenizer = await open(name);
    const { tokens, sha256, hard } = python.tokenizers[name]!;
    for (const [i, text] of python.hard.entries()) {
      const placed = tokenizer.encodePlaced(text);
      expect(placed.offsets, text).toEqual(hard[i]);
      expect(placed.ids).toEqual(tokenizer.encodePlain(text));
    }
    const { data } = JSON.parse(await readFile(sharedDir('data', 'xquad', 'xquad.en.json'), 'utf8')) as {
      data: { paragraphs: { context: string }[] }[];
    };
    const contexts = data.flatMap(({ paragraphs }) => paragraphs.map(({ context }) => context));
    const offsets = contexts.map((context) => tokenizer.encodePlaced(context).offsets);
    expect(offsets.flat()).toHaveLength(tokens);
    expect(createHash('sha256').update(JSON.stringify(offsets)).digest('hex')).toBe(sha256);
  });

  it('joins a question and a passage as the whole encoding does', async () => {
    const tokenizer = await open('bert_uncased_tokenizer');
    const joined = tokenizer.join(tokenizer.encodePlain('who ?'), tokenizer.encodePlain('the café owner'));
    const { secondStart, ...encoding } = joined;
    expect(encoding).toEqual(tokenizer.encode('who ?', 'the café owner'));
    expect(secondStart).toBe(4);
    expect(tokenizer.specialTokensOfPair).toBe(3);
  });

  it('encloses one text as the whole encoding does', async () => {
    const tokenizer = await open('bert_uncased_tokenizer');
    const { start, ...encoding } = tokenizer.enclose(tokenizer.encodePlain('the café owner'));
    expect(encoding).toEqual(tokenizer.encode('the café owner'));
    expect([start, tokenizer.specialTokensOfOne]).toEqual([1, 2]);
  });
});
