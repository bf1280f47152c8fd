import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAdapted } from '../../src/artifacts/openAdapted.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import { withinTokenTypes } from '../../src/models/loading/withinTokenTypes.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { oraclePath } from '../fixtures.js';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-unsaved-'));
});
afterAll(() => rm(scratch, { recursive: true }));

describe('a pooler that Python made at random and nobody saved', () => {
  it('is named, with both places where it is not', async () => {
    const model = join(scratch, 'no-pooler');
    await cp(oraclePath('tiny-bert'), model, { recursive: true });
    const tensors = [...(await openCheckpoint(model)).tensors.values()].filter(({ name }) => !name.includes('pooler'));
    const read = tensors.map(async (one) => ({ name: one.name, shape: one.shape, data: await readTensor(one) }));
    await writeSafetensors(join(model, 'model.safetensors'), await Promise.all(read));
    const opened = openAdapted({ adapter: oraclePath('tiny-bert-adapter'), model, anyBase: true });
    await expect(opened).rejects.toThrow(
      `bert.pooler.dense.weight is neither there nor in ${model}, so that nothing says which one it was trained with.`,
    );
  });
});

describe('a model that tells one token type apart', async () => {
  const tokenizer = await loadTokenizer(oraclePath('tiny-bert'));
  const checkpoint = await openCheckpoint(oraclePath('tiny-bert'));
  const held = withinTokenTypes(tokenizer, { checkpoint, tokenTypes: 1 });

  it('takes a text, and says of a pair that it was not made for pairs', () => {
    expect(held.encodeTruncated('a text', undefined, 20)).toEqual(tokenizer.encodeTruncated('a text', undefined, 20));
    const sentence = 'has type_vocab_size 1: it was not made for pairs.';
    expect(() => held.encodeTruncated('a text', 'another', 20)).toThrow(sentence);
    expect(() => held.join([5], [6])).toThrow(sentence);
  });

  it('is every other model left alone', () => {
    expect(withinTokenTypes(tokenizer, { checkpoint, tokenTypes: 2 })).toBe(tokenizer);
    expect(withinTokenTypes(tokenizer, { checkpoint, tokenTypes: undefined })).toBe(tokenizer);
  });
});
