import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rouge } from '../../../src/metrics/text/rouge.js';
import { python } from './fixture.js';

/** Made with Google's rouge_score by test/oracle/rouge_fixture.py. */
const { corpora } = JSON.parse(readFileSync(new URL('../fixtures/rouge.json', import.meta.url), 'utf8')) as {
  readonly corpora: Readonly<Record<string, Readonly<Record<'rouge1' | 'rouge2' | 'rougeL', readonly number[]>>>>;
};
const orders = { rouge1: 1, rouge2: 2, rougeL: 'longest' } as const;

describe.each(Object.keys(orders) as (keyof typeof orders)[])('%s', (name) => {
  const score = rouge(orders[name]);

  it.each(python.corpora)("is rouge_score's, example by example: $name", ({ name: corpus, texts, references }) => {
    const expected = corpora[corpus]![name];
    for (const [i, text] of texts.entries()) expect(score(text, references[i]!)).toBeCloseTo(expected[i]!, 11);
  });

  it('is of words in lower case, and takes the best reference', () => {
    expect(score('The cat, sat!', ['no', 'the CAT sat'])).toBe(1);
    expect(score('', ['a'])).toBe(0);
    expect(score('猫', ['猫'])).toBe(0);
    expect(() => score('a', [])).toThrow('there is none');
  });
});

it('is an F1: of 4 words and 5 three are common, of 3 pairs and 4 one', () => {
  const [text, reference] = ['a b x c', 'a b c d e'];
  expect(rouge(1)(text, [reference])).toBeCloseTo((2 * 3) / 9, 12);
  expect(rouge(2)(text, [reference])).toBeCloseTo((2 * 1) / 7, 12);
  expect(rouge('longest')(text, [reference])).toBeCloseTo((2 * 3) / 9, 12);
});
