import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gpt2Tokenizer } from '../../src/tokenize/convert/byteLevelBpe.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { REPOSITORY } from '../shared.js';

type Base = 'bert' | 'gpt2' | 'files';

/** Made with transformers: test/oracle/tokenizer_configs.py. */
interface Fixture {
  readonly texts: readonly string[];
  readonly cases: readonly {
    readonly base: Base;
    readonly config: Readonly<Record<string, unknown>>;
    readonly ids: readonly (readonly number[])[];
  }[];
}

const read = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(join(import.meta.dirname, 'fixtures', name), 'utf8'));
const { texts, cases } = (await read('configs.json')) as Fixture;
const { kinds } = (await read('gguf.json')) as { kinds: { fields: { tokens: string[]; merges: string[] } }[] };

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-configured-'));
});
afterAll(() => rm(scratch, { recursive: true }));

async function folderOf(base: Base, config: object): Promise<string> {
  const folder = await mkdtemp(join(scratch, `${base}-`));
  if (base === 'bert') await cp(join(REPOSITORY, 'test/fixtures/tiny-tokenizer'), folder, { recursive: true });
  else {
    const { tokens, merges } = kinds[0]!.fields;
    const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
    await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'gpt2' }));
    if (base === 'files') {
      await writeFile(join(folder, 'vocab.json'), JSON.stringify(vocab));
      await writeFile(join(folder, 'merges.txt'), merges.join('\n'));
    }
    const settings = { eos_token: '<|end|>' };
    const begin = { content: '<|begin|>', special: true, normalized: false };
    const added = { added_tokens_decoder: { [vocab['<|begin|>']!]: begin } };
    const description = gpt2Tokenizer(vocab, merges, { ...settings, ...added });
    if (base === 'gpt2') await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(description));
  }
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}

it.each(cases.map((one) => [`${one.base} with ${JSON.stringify(one.config)}`, one] as const))(
  "%s: gives Python's ids",
  async (_, { base, config, ids }) => {
    const tokenizer = await loadTokenizer(await folderOf(base, config));
    for (const [i, text] of texts.entries()) expect(tokenizer.encode(text).ids, JSON.stringify(text)).toEqual(ids[i]);
  },
);
