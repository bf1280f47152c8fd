import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { openModel } from '../../src/models/registry.js';
import { type GgufTokenizerFields, ggufTokenizer } from '../../src/tokenize/convert/index.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { expectClose, oraclePath, readOracle } from '../fixtures.js';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-gguf-'));
  vi.stubEnv('DIFFORA_CACHE', join(scratch, 'cache'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(scratch, { recursive: true });
});

describe('a GGUF file computes what the model computes that it was written from', async () => {
  const oracle = await readOracle<{ ids: number[]; logits: Record<string, string> }>('checkpoints/gguf-models');
  const { ids, logits } = oracle.description;

  it.each(Object.keys(logits))('%s', async (name) => {
    const checkpoint = await openCheckpoint(oraclePath('checkpoints', `gguf-${name}.gguf`));
    const model = openModel(checkpoint, { taskType: 'CAUSAL_LM', numLabels: 0 });
    expect(model.unused).toEqual([]);
    const decoder = await openDecoder(model, { plan: noAdapters, parameters: [], threads: 1 });
    const expected = oracle.at(logits[name]!);
    const last = await decoder.next(decoder.emptyState, ids);
    const vocabulary = expected.shape[1]!;
    expectClose('logits', last.logits, expected.data.slice(-vocabulary) as Float32Array, {
      relative: 1e-4,
      floor: 1e-4,
    });
    await decoder.release();
  });
});

interface Tokenizers {
  readonly texts: readonly string[];
  readonly byteLevel: TokenizerCases;
  readonly pieces: TokenizerCases;
}
interface TokenizerCases {
  readonly fields: GgufTokenizerFields;
  readonly cases: readonly {
    readonly name: string;
    readonly fields: Partial<GgufTokenizerFields>;
    readonly ids: readonly (readonly number[])[];
  }[];
}

describe("the tokenizer of a GGUF file gives transformers' ids", async () => {
  const file = oraclePath('checkpoints', 'gguf-tokenizers.json');
  const { texts, byteLevel, pieces } = JSON.parse(await readFile(file, 'utf8')) as Tokenizers;
  const all = [byteLevel, pieces].flatMap(({ fields, cases }) =>
    // Without a name transformers cuts as GPT-2 does, which these merges are not for: see the refusal below.
    cases.map((one) => [one.name, { ...fields, pre: 'default', ...one.fields }, one.ids] as const),
  );

  it.each(all)('%s', async (_, fields, ids) => {
    const { tokenizer, config } = ggufTokenizer(fields);
    await writeFile(join(scratch, 'tokenizer.json'), JSON.stringify(tokenizer));
    await writeFile(join(scratch, 'tokenizer_config.json'), JSON.stringify(config));
    const loaded = await loadTokenizer(scratch);
    for (const [i, text] of texts.entries()) expect(loaded.encode(text).ids, text).toEqual(ids[i]);
  });

  it('begins a text of LLaMA 3 with its first token where the file does not say, as llama.cpp does', () => {
    const { config } = ggufTokenizer({ ...byteLevel.fields, pre: 'llama-bpe' });
    expect(config.add_bos_token).toBe(true);
  });

  it('is refused where it has no name and its merges join what GPT-2 keeps apart', () => {
    expect(() => ggufTokenizer({ ...byteLevel.fields, pre: undefined })).toThrow(
      'it has no "tokenizer.ggml.pre", and its merge',
    );
  });

  it('is refused where it cuts words in a way that is not known', () => {
    expect(() => ggufTokenizer({ ...byteLevel.fields, pre: 'unheard-of' })).toThrow(
      'its "tokenizer.ggml.pre" is "unheard-of", and how that cuts texts is not known here',
    );
  });
});
