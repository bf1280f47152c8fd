import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { joinedWords, wordSequences, wordsOf } from '../../src/tasks/encoding/words.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { oraclePath } from '../fixtures.js';
import { REPOSITORY } from '../shared.js';

const tiny = () => loadTokenizer(join(REPOSITORY, 'test/fixtures/tiny-tokenizer'));
const bert = () => loadTokenizer(oraclePath('tiny-bert'));
const silent = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };
const shown = (text: string) => wordsOf(text).map(([start, end]) => text.slice(start, end));

describe('wordsOf', () => {
  // transformers' BasicTokenizer(do_lower_case=False).tokenize of the same text.
  it('cuts as BERT does: at white space, around punctuation and Chinese characters', () => {
    expect(shown("Dr. O'Neil paid $5 (€4) in 東京_x.")).toEqual([
      ...['Dr', '.', 'O', "'", 'Neil', 'paid', '$', '5', '(', '€4', ')', 'in', '東', '京', '_', 'x', '.'],
    ]);
    expect(shown('  ')).toEqual([]);
  });
});

describe('wordSequences', () => {
  it('encodes as a text is encoded, and finds the first token of each word', async () => {
    const tokenizer = await tiny();
    const worded = joinedWords(['the', 'cat', '', 'saw']);
    expect(worded.text).toBe('the cat  saw');
    const [sequence] = await wordSequences(tokenizer, [worded], { maxLength: 8, ...silent });
    expect(Array.from(sequence!.inputIds)).toEqual(tokenizer.encode('the cat saw').ids);
    expect(sequence!.firstTokens).toEqual([1, 2, -1, 3]);
  });

  it('gives words of several tokens their first', async () => {
    const tokenizer = await bert();
    const words = ['so', 'dullest', 'film'];
    const [sequence] = await wordSequences(tokenizer, [joinedWords(words)], { maxLength: 32, ...silent });
    let first = 1;
    const expected = words.map((word) => {
      const at = first;
      first += tokenizer.encodePlain(word).length;
      return at;
    });
    expect(first).toBeGreaterThan(words.length + 1);
    expect(sequence!.firstTokens).toEqual(expected);
  });

  it('cuts at the end, counts what was cut, and gives words behind it no token', async () => {
    const warnings: string[] = [];
    const texts = [joinedWords(['the', 'cat', 'saw', 'the', 'dog']), joinedWords(['cat'])];
    const options = { maxLength: 4, warn: (message: string) => warnings.push(message) };
    const [sequence] = await wordSequences(await tiny(), texts, options);
    expect(sequence!.inputIds).toHaveLength(4);
    expect(sequence!.firstTokens).toEqual([1, 2, -1, -1, -1]);
    expect(warnings).toEqual(['1 of 2 examples are longer than 4 tokens and were cut to that length.']);
    await expect(wordSequences(await tiny(), texts, { maxLength: 2, ...silent })).rejects.toThrow('has no room');
  });
});
