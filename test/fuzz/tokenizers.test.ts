import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { REPOSITORY } from '../shared.js';
import { scratch, survivesBytes, survivesValues } from './harness.js';
import { mangled } from './mangle.js';

const path = scratch();

const tinyFolder = join(REPOSITORY, 'test', 'fixtures', 'tiny-tokenizer');
const tiny = (name: string) => readFile(join(tinyFolder, name));
const small = (name: string) => readFile(join(REPOSITORY, 'test', 'tokenize', 'fixtures', 'sentencepiece', name));
const vocab = JSON.stringify({ '<|endoftext|>': 0, a: 1, b: 2, ab: 3, Ġ: 4, Ġa: 5 });
const merges = '#version: 0.2\na b\nĠ a\n';

type Files = Readonly<Record<string, string | Uint8Array>>;

interface Kind {
  readonly modelType: string;
  /** Files of the folder beside its config.json; the named one is broken. */
  readonly files: () => Promise<Files>;
  readonly broken: string;
}

const tinyFiles = async (): Promise<Files> => ({
  'tokenizer.json': await tiny('tokenizer.json'),
  'tokenizer_config.json': await tiny('tokenizer_config.json'),
  'special_tokens_map.json': await tiny('special_tokens_map.json'),
});
const wordPieces = async (): Promise<Files> => ({
  'vocab.txt': await tiny('vocab.txt'),
  'tokenizer_config.json': await tiny('tokenizer_config.json'),
});
const bpe = async (): Promise<Files> => ({ 'vocab.json': vocab, 'merges.txt': merges });

const kinds: Readonly<Record<string, Kind>> = {
  'tokenizer.json': { modelType: 'bert', files: tinyFiles, broken: 'tokenizer.json' },
  'tokenizer_config.json': { modelType: 'bert', files: wordPieces, broken: 'tokenizer_config.json' },
  'special_tokens_map.json': { modelType: 'bert', files: tinyFiles, broken: 'special_tokens_map.json' },
  'vocab.txt': { modelType: 'bert', files: wordPieces, broken: 'vocab.txt' },
  'vocab.json': { modelType: 'gpt2', files: bpe, broken: 'vocab.json' },
  'merges.txt': { modelType: 'gpt2', files: bpe, broken: 'merges.txt' },
  'a SentencePiece model': {
    modelType: 'llama',
    files: async () => ({ 'tokenizer.model': await small('bpe.model') }),
    broken: 'tokenizer.model',
  },
  'a SentencePiece model with a character map': {
    modelType: 'xlm-roberta',
    files: async () => ({ 'sentencepiece.bpe.model': await small('unigram.model') }),
    broken: 'sentencepiece.bpe.model',
  },
};

async function folderOf(name: string, modelType: string, files: Files): Promise<string> {
  const folder = path(name);
  await mkdir(folder, { recursive: true });
  for (const [file, content] of Object.entries({
    'config.json': JSON.stringify({ model_type: modelType }),
    ...files,
  })) {
    await writeFile(join(folder, file), content);
  }
  return folder;
}

/** All that is done with a tokenizer. */
async function use(folder: string): Promise<void> {
  const tokenizer = await loadTokenizer(folder);
  const { ids } = tokenizer.encode('a bad cat', 'b');
  tokenizer.encodeTruncated('a bad cat', undefined, 8);
  tokenizer.encodePlaced('a bad cat');
  tokenizer.decode(ids, { skipSpecialTokens: true });
}

for (const [name, { modelType, files, broken }] of Object.entries(kinds)) {
  survivesBytes(name, async () => {
    const folder = await folderOf(name, modelType, await files());
    return { path: join(folder, broken), read: () => use(folder), names: [folder] };
  });
}

const settings = JSON.parse(await readFile(join(tinyFolder, 'tokenizer_config.json'), 'utf8'));
const structures: Readonly<Record<string, unknown>> = {
  'tokenizer.json': JSON.parse(await readFile(join(tinyFolder, 'tokenizer.json'), 'utf8')),
  'tokenizer_config.json': {
    ...settings,
    truncation_side: 'left',
    chat_template: [{ name: 'default', template: '{{ bos_token }}' }],
    added_tokens_decoder: { 3: { content: '[SEP]', special: true } },
  },
  'special_tokens_map.json': JSON.parse(await readFile(join(tinyFolder, 'special_tokens_map.json'), 'utf8')),
  'vocab.json': JSON.parse(vocab),
};
for (const [name, value] of Object.entries(structures)) {
  survivesValues(name, mangled(value), async () => {
    const modelType = name === 'vocab.json' ? 'gpt2' : 'bert';
    // tokenizer_config.json says most where a tokenizer has to be made.
    const files =
      name === 'vocab.json' ? await bpe() : name === 'tokenizer_config.json' ? await wordPieces() : await tinyFiles();
    const folder = await folderOf(`${name} in forms`, modelType, files);
    const read = async (text: string) => {
      await writeFile(join(folder, name), text);
      await use(folder);
    };
    return { read, names: [folder] };
  });
}
