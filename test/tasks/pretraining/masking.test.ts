import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import type { EncodedExample } from '../../../src/engine/batch.js';
import { BatchStream } from '../../../src/engine/batchStream.js';
import { IGNORED_LABEL } from '../../../src/engine/labels.js';
import { openModel } from '../../../src/models/registry.js';
import { maskedObjective } from '../../../src/tasks/kinds/maskedLm.js';
import { maskedSequences, remasked } from '../../../src/tasks/pretraining/masking.js';
import { loadTokenizer } from '../../../src/tokenize/index.js';
import { oraclePath } from '../../fixtures.js';
import { REPOSITORY } from '../../shared.js';

interface Fixture {
  readonly texts: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    /** 1 for a token that DataCollatorForLanguageModeling masked in any of 400 draws. */
    readonly masked: readonly number[];
    readonly words: readonly (number | null)[];
  }[];
}
const file = join(REPOSITORY, 'test/tasks/pretraining/fixtures/pretraining.json');
const { texts } = JSON.parse(await readFile(file, 'utf8')) as Fixture;

const folder = oraclePath('tiny-bert-backbone');
const opened = {
  model: openModel(await openCheckpoint(folder), { taskType: 'MASKED_LM', numLabels: 0 }),
  tokenizer: await loadTokenizer(folder),
};
const usual = { maxLength: 64, probability: 0.15, wholeWords: false };
const examplesOf = (all: readonly string[]) => all.map((text, i) => ({ id: `${i}`, text }));
const sequencesOf = (all: readonly string[], options = usual) => maskedSequences(opened, examplesOf(all), options);
const maskedPlaces = ({ tokenLabels }: EncodedExample) =>
  [...tokenLabels!.entries()].flatMap(([i, label]) => (label === IGNORED_LABEL ? [] : [i]));

describe('masked tokens, against transformers', () => {
  it('may be those that DataCollatorForLanguageModeling masks, and no special or unknown ones', async () => {
    const sequences = await sequencesOf(texts.map(({ text }) => text));
    expect(sequences.map(({ masking }) => [...masking!.ids])).toEqual(texts.map(({ ids }) => ids));
    expect(sequences.map(({ masking }) => Array.from(masking!.units, (unit) => (unit < 0 ? 0 : 1)))).toEqual(
      texts.map(({ masked }) => masked),
    );
  });

  it('are those of a whole word, as the word ids of the tokenizer group them', async () => {
    const sequences = await sequencesOf(
      texts.map(({ text }) => text),
      { ...usual, wholeWords: true },
    );
    for (const [i, { words, masked }] of texts.entries()) {
      const { units } = sequences[i]!.masking!;
      const pairs = words.flatMap((word, at) => (masked[at] === 1 ? [[word, units[at]]] : []));
      const grouped = new Map(pairs.map(([word, unit]) => [word, unit]));
      expect(pairs, texts[i]!.text).toEqual(pairs.map(([word]) => [word, grouped.get(word!)]));
      expect(new Set(grouped.values()).size).toBe(grouped.size);
    }
  });
});

describe('what is drawn', () => {
  it('is 15 % of the tokens, of these 80 % masks, 10 % any token, 10 % the token itself', async () => {
    const [sequence] = await sequencesOf([
      'the man and the woman read a very good book all day and all night'.repeat(3),
    ]);
    const { ids, rule } = sequence!.masking!;
    let [tokens, chosen, masks, same] = [0, 0, 0, 0];
    for (let step = 0; step < 4000; step++) {
      const { inputIds, tokenLabels } = remasked(sequence!, { seed: 1, step });
      tokens += ids.length - 2;
      for (const i of maskedPlaces({ tokenLabels } as EncodedExample)) {
        chosen++;
        expect(tokenLabels![i]).toBe(ids[i]);
        if (inputIds[i] === rule.maskTokenId) masks++;
        else if (inputIds[i] === ids[i]) same++;
      }
    }
    // Five standard deviations; a random token is the same or the mask once in 100.
    const near = (share: number, expected: number, of: number) =>
      expect(Math.abs(share - expected)).toBeLessThan(5 * Math.sqrt((expected * (1 - expected)) / of));
    near(chosen / tokens, 0.15, tokens);
    near(masks / chosen, 0.8 + 0.1 / rule.vocabSize, chosen);
    near(same / chosen, 0.1 + 0.1 / rule.vocabSize, chosen);
  });

  it('masks whole words together', async () => {
    const [sequence] = await sequencesOf(['unreading books of helpers and readers'], { ...usual, wholeWords: true });
    const { units } = sequence!.masking!;
    for (let step = 0; step < 50; step++) {
      const places = new Set(maskedPlaces(remasked(sequence!, { seed: 1, step })));
      for (const place of places) {
        for (const [other, unit] of units.entries()) {
          if (unit === units[place]) expect(places.has(other)).toBe(true);
        }
      }
    }
  });

  it('masks one token where chance masks none', async () => {
    const [sequence] = await sequencesOf(['book']);
    for (let step = 0; step < 20; step++) {
      expect(maskedPlaces(remasked(sequence!, { seed: 1, step }))).toEqual([1]);
    }
  });

  const lines = Array.from({ length: 12 }, (_, i) => `the man is good ${'and not bad '.repeat(i % 4)}`);
  const streamOf = (encoded: readonly EncodedExample[], seed: number, batchSize = 4) =>
    new BatchStream(encoded, { batchSize, seed, padTokenId: 0, objective: maskedObjective });

  it('is the same for the same seed and step, and another for another', async () => {
    const encoded = await sequencesOf(lines);
    const [first, again, other] = [streamOf(encoded, 1), streamOf(encoded, 1), streamOf(encoded, 2)];
    for (const step of [5, 0, 3]) expect(again.at(step)).toEqual(first.at(step));
    expect(other.at(0)).not.toEqual(first.at(0));
    const { stepsPerEpoch } = first;
    const maskOf = (step: number, index: number) => {
      const batch = first.at(step);
      const row = batch.indices.indexOf(index);
      return batch.rows?.[row]?.tokenLabels;
    };
    const masks = Array.from({ length: 4 }, (_, epoch) => {
      const step = Array.from({ length: stepsPerEpoch }, (_, i) => epoch * stepsPerEpoch + i).find(
        (one) => maskOf(one, 0) !== undefined,
      );
      return `${maskOf(step!, 0)}`;
    });
    expect(new Set(masks).size).toBeGreaterThan(1);
  });

  it('does not depend on the rows beside a sequence, nor on how a batch is cut', async () => {
    const encoded = await sequencesOf(lines);
    const alone = streamOf([encoded[7]!], 1, 1);
    expect(alone.at(3).rows).toEqual([remasked(encoded[7]!, { seed: 1, step: 3 })]);
    const stream = streamOf(encoded, 1);
    const parts = stream.partsAt(2, 2).flatMap(({ rows }) => rows);
    expect(parts).toEqual(stream.at(2).rows);
  });
});

describe('texts as sequences', () => {
  it('go on in another where they are too long, nothing cut off, and are never joined', async () => {
    const long = Array.from({ length: 30 }, (_, i) => ['good', 'bad', 'film'][i % 3]).join(' ');
    const sequences = await sequencesOf([long, 'a book'], { ...usual, maxLength: 12 });
    expect(sequences.map(({ index }) => index)).toEqual([0, 0, 0, 1]);
    const own = sequences.slice(0, 3).flatMap(({ masking }) => [...masking!.ids.slice(1, -1)]);
    expect(own).toEqual(opened.tokenizer.encodePlain(long));
  });

  it('are none where a text has no token that may be masked', async () => {
    expect(await sequencesOf(['\u2603'])).toEqual([]);
  });

  it.each([
    [{ ...usual, maxLength: 2 }, 'A maximum length of 2 tokens has no room for a text and special tokens. Raise it.'],
  ])('%o', async (options, message) => {
    await expect(sequencesOf(['a book'], options)).rejects.toThrow(message);
  });

  it('need a mask token', async () => {
    const tokenizer = { ...opened.tokenizer, specialTokens: {} };
    await expect(maskedSequences({ ...opened, tokenizer }, examplesOf(['a']), usual)).rejects.toThrow(
      /names no mask token \(mask_token\)\. Add it to tokenizer_config\.json/,
    );
  });
});
