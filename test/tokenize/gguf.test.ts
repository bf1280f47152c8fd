import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMerges } from '../../src/tokenize/convert/byteLevelBpe.js';
import { type GgufTokenizerFields, ggufTokenizer } from '../../src/tokenize/convert/gguf.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { hasShared, sharedDir } from '../shared.js';

/** Made with transformers, and by llama.cpp's patterns for names that it does not know: test/oracle/gguf_tokenizers.py. */
interface Fixture {
  readonly texts: readonly string[];
  readonly kinds: readonly {
    readonly fields: GgufTokenizerFields;
    readonly cases: readonly {
      readonly fields: Partial<GgufTokenizerFields>;
      readonly by: string;
      readonly ids: readonly (readonly number[])[];
    }[];
  }[];
}

const { texts, kinds } = JSON.parse(await readFile(join(import.meta.dirname, 'fixtures/gguf.json'), 'utf8')) as Fixture;
const [byteLevel, pieces] = [kinds[0]!.fields, kinds[1]!.fields];

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-gguf-tokenizers-'));
});
afterAll(() => rm(scratch, { recursive: true }));

/** The tokenizer of a GGUF file that says this, through the folder that the file is converted to. */
async function tokenizerOf(fields: GgufTokenizerFields) {
  const folder = await mkdtemp(join(scratch, 'tokenizer-'));
  const { tokenizer, config } = ggufTokenizer(fields);
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return loadTokenizer(folder);
}

const cases = kinds.flatMap(({ fields, cases }) =>
  cases.map(
    (one) => [`${fields.model} ${JSON.stringify(one.fields)}`, { ...one, all: { ...fields, ...one.fields } }] as const,
  ),
);

describe('the tokenizer of a GGUF file', () => {
  it.each(cases)("%s: gives Python's ids", async (_, { all, ids }) => {
    const tokenizer = await tokenizerOf(all);
    for (const [i, text] of texts.entries()) expect(tokenizer.encode(text).ids, JSON.stringify(text)).toEqual(ids[i]);
  });

  it('of another name than those that are known is refused by it', () => {
    expect(() => ggufTokenizer({ ...byteLevel, pre: 'kimi-k2' })).toThrow(
      /"tokenizer\.ggml\.pre" is "kimi-k2", .* not known/,
    );
    expect(() => ggufTokenizer({ ...byteLevel, pre: 'constructor' })).toThrow('"constructor"');
  });

  it('without a name is cut as GPT-2 cuts, and refused where its merges join what that keeps apart', async () => {
    const own = { ...byteLevel, pre: undefined };
    expect(() => ggufTokenizer(own)).toThrow(/has no "tokenizer\.ggml\.pre", and its merge "[^"]+" joins/);
    const merges = ['t h', 'Ġ th', 'Ċ Ċ'];
    const { ids } = (await tokenizerOf({ ...own, merges })).encode(' th\n\n');
    expect(ids).toEqual((await tokenizerOf({ ...own, merges, pre: 'gpt-2' })).encode(' th\n\n').ids);
  });

  it.skipIf(!hasShared('models/gpt2_tokenizer'))(
    'without a name: the merges of GPT-2 itself join nothing that it keeps apart',
    async () => {
      const merges = readMerges(await readFile(sharedDir('models/gpt2_tokenizer/vocab.bpe'), 'utf8'));
      expect(() => ggufTokenizer({ ...byteLevel, pre: undefined, merges })).not.toThrow();
    },
  );

  // llama.cpp, src/llama-vocab.cpp: `add_bos` and `ignore_merges` of these two; transformers 5.24 has neither.
  it.each(['llama-bpe', 'tekken'])(
    'of the name %s begins texts with BOS where the file does not say, and knows whole tokens',
    async (pre) => {
      const bosTokenId = byteLevel.tokens.indexOf('<|begin|>');
      const whole = await tokenizerOf({ ...byteLevel, pre, bosTokenId, merges: [] });
      const token = byteLevel.tokens.find((one) => /^[a-z]{3}$/.test(one))!;
      expect(whole.encode(token).ids).toEqual([bosTokenId, byteLevel.tokens.indexOf(token)]);
      const without = await tokenizerOf({ ...byteLevel, pre, bosTokenId, addBosToken: false });
      expect(without.encode(token).ids).toEqual([byteLevel.tokens.indexOf(token)]);
    },
  );

  it('that asks for what it does not have, or for what its kind has not, is refused by the key', () => {
    const refused = (fields: Partial<GgufTokenizerFields>, base = byteLevel) =>
      expect(() => ggufTokenizer({ ...base, pre: 'gpt-2', ...fields }));
    refused({ addBosToken: true }).toThrow(
      '"tokenizer.ggml.add_bos_token" is set, and it has no "tokenizer.ggml.bos_token_id"',
    );
    refused({ addEosToken: true }).toThrow('"tokenizer.ggml.add_eos_token" is set');
    refused({ eosTokenId: 1e6 }).toThrow(/"tokenizer\.ggml\.eos_token_id" is 1000000, and it has \d+ tokens/);
    refused({ addSpacePrefix: true }).toThrow('"tokenizer.ggml.add_space_prefix"');
    refused({ addSeparatorToken: true }).toThrow('"tokenizer.ggml.add_sep_token"');
    refused({ merges: undefined }).toThrow('no merges');
    refused({ model: 't5' }, pieces).toThrow('of kind "t5"; gpt2 and llama can be read');
  });
});
