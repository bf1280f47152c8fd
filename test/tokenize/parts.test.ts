import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { restatedNormalizer } from '../../src/tokenize/restate/normalizer.js';
import { restatedPreTokenizer } from '../../src/tokenize/restate/preTokenizer.js';

/** What Python's tokenizers makes of odd texts: test/oracle/tokenizer_parts.py. */
interface Fixture {
  readonly texts: readonly string[];
  readonly preTokenizers: readonly { readonly part: object; readonly pieces: readonly (readonly string[])[] }[];
  readonly normalizers: readonly { readonly part: object; readonly texts: readonly string[] }[];
}

const { texts, preTokenizers, normalizers } = JSON.parse(
  await readFile(join(import.meta.dirname, 'fixtures/parts.json'), 'utf8'),
) as Fixture;

/** The library's reading of a tokenizer.json that has these parts and no vocabulary. */
function libraryWith(parts: { readonly normalizer?: unknown; readonly pre_tokenizer?: unknown }) {
  const model = { type: 'BPE', vocab: {}, merges: [] };
  const rest = { added_tokens: [], post_processor: null, decoder: null, normalizer: null, pre_tokenizer: null };
  return new Library({ ...rest, ...parts, model }, {}) as unknown as {
    readonly normalizer: (text: string) => string;
    readonly pre_tokenizer: (text: string, options: object) => string[];
  };
}

describe('a pre-tokenizer, restated', () => {
  it.each(preTokenizers.map((one) => [JSON.stringify(one.part), one] as const))("%s: cuts as Python's", (_, one) => {
    const library = libraryWith({ pre_tokenizer: restatedPreTokenizer(one.part) });
    for (const [i, text] of texts.entries()) {
      expect(library.pre_tokenizer(text, { section_index: 0 }), JSON.stringify(text)).toEqual(one.pieces[i]);
    }
  });

  it('is refused where no pattern can say what it does', () => {
    const split = { type: 'Split', pattern: { String: '-' }, behavior: 'MergedWithNext', invert: true };
    expect(() => restatedPreTokenizer(split)).toThrow(
      'a Split with invert and "MergedWithNext", which is not supported',
    );
    expect(() => restatedPreTokenizer({ ...split, behavior: 'Halved', invert: false })).toThrow('"Halved"');
    expect(() => restatedPreTokenizer({ ...split, pattern: {}, invert: false })).toThrow(
      'pattern that is not understood',
    );
  });
});

describe('a normalizer, restated', () => {
  it.each(normalizers.map((one) => [JSON.stringify(one.part), one] as const))(
    "%s: changes texts as Python's",
    (_, one) => {
      const library = libraryWith({ normalizer: restatedNormalizer(one.part) });
      for (const [i, text] of texts.entries()) {
        expect(library.normalizer(text), JSON.stringify(text)).toBe(one.texts[i]);
      }
    },
  );
});
