import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { mutations } from '../fuzz/mutate.js';
import { REPOSITORY } from '../shared.js';

const files = 2000;
const memory = 512 * 1024 * 1024;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-tokenizers-'));
});
afterAll(() => rm(scratch, { recursive: true }));

interface Kind {
  readonly config: object;
  readonly settings?: object;
  /** Files of the folder; the named one is broken. */
  readonly files: () => Promise<Readonly<Record<string, string | Uint8Array>>>;
  readonly broken: string;
}

const tiny = (name: string) => readFile(join(REPOSITORY, 'test', 'fixtures', 'tiny-tokenizer', name));
const small = (name: string) => readFile(join(import.meta.dirname, 'fixtures', 'sentencepiece', name));
const vocab = JSON.stringify({ '<|endoftext|>': 0, a: 1, b: 2, ab: 3, Ġ: 4, Ġa: 5 });
const merges = '#version: 0.2\na b\nĠ a\n';

const kinds: Readonly<Record<string, Kind>> = {
  'tokenizer.json': {
    config: { model_type: 'bert' },
    files: async () => ({ 'tokenizer.json': await tiny('tokenizer.json') }),
    broken: 'tokenizer.json',
  },
  'vocab.txt': {
    config: { model_type: 'bert' },
    files: async () => ({ 'vocab.txt': await tiny('vocab.txt') }),
    broken: 'vocab.txt',
  },
  'vocab.json': {
    config: { model_type: 'gpt2' },
    files: async () => ({ 'vocab.json': vocab, 'merges.txt': merges }),
    broken: 'vocab.json',
  },
  'merges.txt': {
    config: { model_type: 'gpt2' },
    files: async () => ({ 'vocab.json': vocab, 'merges.txt': merges }),
    broken: 'merges.txt',
  },
  'a SentencePiece model': {
    config: { model_type: 'llama' },
    files: async () => ({ 'tokenizer.model': await small('bpe.model') }),
    broken: 'tokenizer.model',
  },
  'a SentencePiece model with a character map': {
    config: { model_type: 'xlm-roberta' },
    files: async () => ({ 'sentencepiece.bpe.model': await small('unigram.model') }),
    broken: 'sentencepiece.bpe.model',
  },
};

describe.each(Object.entries(kinds))('%s, broken in 2,000 ways', (name, kind) => {
  it('is read or refused with a sentence, in bounded memory', { timeout: 120_000 }, async () => {
    const folder = join(scratch, name);
    await mkdir(folder);
    await writeFile(join(folder, 'config.json'), JSON.stringify(kind.config));
    const whole = await kind.files();
    for (const [file, content] of Object.entries(whole)) await writeFile(join(folder, file), content);
    const expected = (await loadTokenizer(folder)).encode('a bad cat').ids;
    const before = process.memoryUsage();
    let refused = 0;
    let changed = 0;
    for (const bytes of mutations(Buffer.from(whole[kind.broken]!), 21, files)) {
      await writeFile(join(folder, kind.broken), bytes);
      try {
        const tokenizer = await loadTokenizer(folder);
        if (`${tokenizer.encode('a bad cat').ids}` !== `${expected}`) changed++;
      } catch (error) {
        if (!(error instanceof DiffoError)) throw error;
        refused++;
      }
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    expect(heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(memory);
    expect(refused + changed).toBeGreaterThan(0);
  });
});
