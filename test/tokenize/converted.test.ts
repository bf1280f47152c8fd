import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeStream, loadTokenizer, type Tokenizer } from '../../src/tokenize/index.js';
import { nightly } from '../nightly.js';
import { hasShared, sharedDir } from '../shared.js';

/** What test/oracle/tokenizer_files.py asked transformers. */
interface OddText {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
  readonly decodedWithoutSpecial: string;
}
interface Fixture {
  readonly rows: Readonly<Record<string, number>>;
  readonly shared: Readonly<
    Record<
      string,
      {
        readonly files: Readonly<Record<string, string>>;
        readonly modelType: string;
        readonly sha256: Readonly<Record<string, string>>;
        readonly odd: readonly OddText[];
      }
    >
  >;
  readonly small: Readonly<
    Record<
      string,
      {
        readonly source: string;
        readonly file: string;
        readonly modelType: string;
        readonly config: object;
        readonly odd: readonly OddText[];
      }
    >
  >;
}

const fixtures = join(import.meta.dirname, 'fixtures');
const fixture = JSON.parse(await readFile(join(fixtures, 'files.json'), 'utf8')) as Fixture;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-tokenizers-'));
});
afterAll(() => rm(scratch, { recursive: true }));

/** A folder with these files, config.json and, where given, tokenizer_config.json. */
async function folderWith(name: string, files: Readonly<Record<string, string>>, modelType: string, config?: object) {
  const folder = join(scratch, name);
  await mkdir(folder, { recursive: true });
  for (const [file, source] of Object.entries(files)) await cp(source, join(folder, file));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: modelType }));
  if (config !== undefined) await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}

/** Where the library is not Python's equal; docs/tokenizers.md says so. */
const known = {
  /** It drops a byte order mark that was made of byte tokens. */
  withoutMark: (text: string) => text.replaceAll('\ufeff', ''),
  /** Its character maps know nothing of grapheme clusters: joined emoji come apart. */
  comesApart: (name: string, text: string) => name === 'xlm-roberta' && text.includes('\u200d'),
};

function expectPythonsAnswers(name: string, tokenizer: Tokenizer, odd: readonly OddText[]): void {
  for (const { text, ids, decoded, decodedWithoutSpecial } of odd) {
    if (!known.comesApart(name, text)) expect(tokenizer.encode(text).ids, JSON.stringify(text)).toEqual(ids);
    const read = (skipSpecialTokens: boolean) => known.withoutMark(tokenizer.decode(ids, { skipSpecialTokens }));
    expect(read(false), `decoded ${JSON.stringify(text)}`).toBe(known.withoutMark(decoded));
    expect(read(true)).toBe(known.withoutMark(decodedWithoutSpecial));
  }
}

describe.each(Object.entries(fixture.small))(
  'a SentencePiece model: %s',
  (name, { source, file, modelType, config, odd }) => {
    it("gives Python's ids and texts", async () => {
      const files = { [file]: join(fixtures, 'sentencepiece', `${source}.model`) };
      const tokenizer = await loadTokenizer(await folderWith(name, files, modelType, config));
      expectPythonsAnswers(name, tokenizer, odd);
    });

    it('can be decoded token by token', async () => {
      const files = { [file]: join(fixtures, 'sentencepiece', `${source}.model`) };
      const tokenizer = await loadTokenizer(await folderWith(`${name}-stream`, files, modelType, config));
      for (const { ids, decodedWithoutSpecial } of odd) {
        const stream = decodeStream(tokenizer);
        const pieces = ids.map((id) => stream.push(id));
        expect(known.withoutMark([...pieces, stream.end()].join(''))).toBe(known.withoutMark(decodedWithoutSpecial));
      }
    });
  },
);

describe.skipIf(!hasShared('models'))('files without tokenizer.json', () => {
  const open = async (name: string) => {
    const { files, modelType } = fixture.shared[name]!;
    const sources = Object.entries(files).map(([file, source]) => [file, sharedDir('models', source)]);
    return loadTokenizer(await folderWith(name, Object.fromEntries(sources), modelType));
  };

  it.each(Object.keys(fixture.shared))("%s: gives Python's ids and texts for odd texts", async (name) => {
    expectPythonsAnswers(name, await open(name), fixture.shared[name]!.odd);
  });

  describe.skipIf(!hasShared('data'))('on real sentences', () => {
    it.each(Object.keys(fixture.shared))(
      `%s: gives Python's ids on all of ${nightly ? 'CoLA, RTE and XQuAD' : 'RTE'}`,
      async (name) => {
        const tokenizer = await open(name);
        const data = await realTexts();
        for (const [task, rows] of Object.entries(data)) {
          if (!nightly && task !== 'rte') continue;
          expect(rows.length, task).toBe(fixture.rows[task]);
          const hash = createHash('sha256');
          for (const [text, pair] of rows) {
            const { ids } = tokenizer.encode(text, pair);
            hash.update(Int32Array.of(ids.length, ...ids));
          }
          expect(hash.digest('hex'), `${name} on ${task}`).toBe(fixture.shared[name]!.sha256[task]);
        }
      },
    );
  });
});

type Rows = (readonly [text: string, pair: string | undefined])[];

async function realTexts(): Promise<Record<string, Rows>> {
  const read = (path: string) => readFile(sharedDir('data', path), 'utf8');
  const table = async (path: string, skip = 0) =>
    (await read(path))
      .split('\n')
      .slice(skip)
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  const both = async (task: string, skip: number) => [
    ...(await table(`${task}/train.tsv`, skip)),
    ...(await table(`${task}/dev.tsv`, skip)),
  ];
  interface Paragraph {
    readonly context: string;
    readonly qas: readonly { readonly question: string }[];
  }
  const squad = JSON.parse(await read('xquad/xquad.en.json')) as { data: { paragraphs: Paragraph[] }[] };
  const paragraphs = squad.data.flatMap((article) => article.paragraphs);
  return {
    cola: (await both('cola', 0)).map((row) => [row[3]!, undefined]),
    rte: (await both('rte', 1)).map((row) => [row[1]!, row[2]!]),
    xquad: [
      ...paragraphs.map(({ context }): Rows[number] => [context, undefined]),
      ...paragraphs.flatMap(({ context, qas }) => qas.map(({ question }): Rows[number] => [question, context])),
    ],
  };
}

describe('a folder that has no tokenizer.json', () => {
  it('is refused with a cure when it has nothing else', async () => {
    const folder = await folderWith('nothing', {}, 'bert');
    await expect(loadTokenizer(folder)).rejects.toThrow(/has no tokenizer\.json, nor vocab\.txt\. Fetch it/);
  });

  it('is refused when nothing says whose the files are', async () => {
    const folder = await folderWith('unknown', {}, 'mamba');
    await writeFile(join(folder, 'vocab.txt'), '[CLS]\n[SEP]\n');
    await expect(loadTokenizer(folder)).rejects.toThrow(/has vocab\.txt, but neither tokenizer_class nor model_type/);
  });

  it('is named by file when a file is broken', async () => {
    const bert = await folderWith('broken-bert', {}, 'bert');
    await writeFile(join(bert, 'vocab.txt'), 'a\nb\n');
    await expect(loadTokenizer(bert)).rejects.toThrow(
      /vocab\.txt is no vocabulary that can be used: it has no \[CLS\]/,
    );
    const gpt2 = await folderWith('broken-gpt2', {}, 'gpt2');
    await writeFile(join(gpt2, 'vocab.json'), '{"a": 0, "<|endoftext|>": 1}');
    await writeFile(join(gpt2, 'merges.txt'), '#version: 0.2\na b\nabc\n');
    await expect(loadTokenizer(gpt2)).rejects.toThrow(/merges\.txt .*line 3 is no pair of tokens: abc/);
    const llama = await folderWith('broken-llama', {}, 'llama');
    await writeFile(join(llama, 'tokenizer.model'), 'not protocol buffers');
    await expect(loadTokenizer(llama)).rejects.toThrow(/tokenizer\.model is no vocabulary that can be used/);
  });
});
