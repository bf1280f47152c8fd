import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { textBlocks } from '../../../src/tasks/pretraining/blocks.js';
import { loadTokenizer } from '../../../src/tokenize/index.js';
import { oraclePath } from '../../fixtures.js';
import { REPOSITORY } from '../../shared.js';

interface Fixture {
  readonly texts: readonly { readonly text: string }[];
  readonly block: number;
  readonly end: number;
  readonly blocks: readonly (readonly number[])[];
}
const file = join(REPOSITORY, 'test/tasks/pretraining/fixtures/pretraining.json');
const fixture = JSON.parse(await readFile(file, 'utf8')) as Fixture;
const examplesOf = (all: readonly string[]) => all.map((text, i) => ({ id: `${i}`, text }));

describe('blocks of texts', () => {
  it('are those that group_texts of run_clm.py makes, the last and shorter one kept', async () => {
    const tokenizer = await loadTokenizer(oraclePath('tiny-bert'));
    const texts = examplesOf(fixture.texts.map(({ text }) => text));
    const blocks = await textBlocks(tokenizer, texts, { maxLength: fixture.block, endTokenId: fixture.end });
    expect(blocks.map(({ inputIds }) => [...inputIds])).toEqual(fixture.blocks);
    // As transformers shifts labels within a block.
    expect(blocks.map(({ tokenLabels }) => [...tokenLabels!])).toEqual(
      fixture.blocks.map((ids) => [...ids.slice(1), -100]),
    );
  });

  /** A letter a token; its end is 0. */
  const letters = { encode: (text: string) => ({ ids: [...text].map(Number), tokenTypeIds: [] }) };
  const blocksOf = async (texts: readonly string[], maxLength: number) =>
    (await textBlocks(letters, examplesOf(texts), { maxLength, endTokenId: 0 })).map(({ inputIds, index }) => [
      inputIds.join(''),
      index,
    ]);

  it('end every text once, and belong to the text that they begin with', async () => {
    expect(await blocksOf(['123', '40', '56789'], 4)).toEqual([
      ['1230', 0],
      ['4056', 1],
      ['7890', 2],
    ]);
    expect(await blocksOf(['123456'], 3)).toEqual([
      ['123', 0],
      ['456', 0],
    ]);
  });

  it('are no single tokens, which predict nothing', async () => {
    expect(await blocksOf(['12'], 2)).toEqual([['12', 0]]);
  });
});
