import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openEmbedder } from '../../src/infer/embed.js';
import { openModelByName } from '../../src/models/loading/openedModel.js';
import { silent } from '../../src/reporter.js';
import { sentenceSettings } from '../../src/serve/pooling.js';
import { temporaryFolder, tinyModel } from '../cli/run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

async function settingsOf(name: string, pooling: object) {
  await mkdir(folder.path(name, '1_Pooling'), { recursive: true });
  await writeFile(folder.path(name, '1_Pooling/config.json'), JSON.stringify(pooling));
  await writeFile(folder.path(name, 'sentence_bert_config.json'), JSON.stringify({ max_seq_length: 256 }));
  return sentenceSettings(folder.path(name));
}

describe('the pooling of a sentence-transformers model', () => {
  it('is read in the form of version 2 and that of version 5, with the longest text', async () => {
    const old = { pooling_mode_cls_token: false, pooling_mode_mean_tokens: true };
    expect(await settingsOf('old', old)).toEqual({ vectors: { pooling: 'mean', normalize: true }, maxLength: 256 });
    expect(await settingsOf('cls', { pooling_mode_cls_token: true })).toEqual({
      vectors: { pooling: 'cls', normalize: true },
      maxLength: 256,
    });
    expect(await settingsOf('new', { pooling_mode: 'mean' })).toEqual({
      vectors: { pooling: 'mean', normalize: true },
      maxLength: 256,
    });
  });

  it('is the mean where nothing says it, and refused where it is not built', async () => {
    expect(await sentenceSettings(tinyModel)).toEqual({
      vectors: { pooling: 'mean', normalize: true },
      maxLength: undefined,
    });
    await expect(settingsOf('max', { pooling_mode_max_tokens: true })).rejects.toThrow(
      'The model pools by max; mean, cls, lasttoken are offered here.',
    );
  });

  it('of the first or the last token differs from the mean, and both have length 1 beside a longer text', async () => {
    const { model, tokenizer } = await openModelByName(tinyModel, { numLabels: 2 }, silent);
    const rows = ['the cat', 'the cat sat on the mat'].map((text, index) => {
      const { ids, tokenTypeIds } = tokenizer.encode(text);
      return { inputIds: Int32Array.from(ids), tokenTypeIds: Int32Array.from(tokenTypeIds), label: undefined, index };
    });
    const found = [];
    for (const pooling of ['mean', 'cls', 'lasttoken'] as const) {
      const vectors = { pooling, normalize: true };
      const embedder = await openEmbedder(model, { plan: noAdapters, parameters: [], threads: 1, vectors });
      const [[alone], together] = [await embedder.each(rows.slice(0, 1)), await embedder.each(rows)];
      await embedder.release();
      expect(Math.hypot(...together[0]!)).toBeCloseTo(1, 5);
      for (const [i, value] of together[0]!.entries()) expect(value).toBeCloseTo(alone![i]!, 5);
      found.push(Array.from(alone!, (value) => value.toFixed(3)));
    }
    expect(new Set(found.map(String)).size).toBe(3);
  });
});
