import { readFileSync } from 'node:fs';
import fc from 'fast-check';

interface Fixture {
  readonly tokens: readonly [text: string, tokens: string[]][];
  readonly corpora: readonly {
    name: string;
    texts: string[];
    references: string[][];
    /** Percent. */
    bleu: number;
    /** Percent; sacrebleu's `lowercase=True`. */
    lowerBleu: number;
    /** null where nltk divides by zero. */
    nist: number | null;
    rougeL: number[];
  }[];
}

/** Made with sacrebleu, nltk and pycocoevalcap by test/oracle/text_metrics_fixture.py. */
export const python = JSON.parse(
  readFileSync(new URL('../fixtures/textMetrics.json', import.meta.url), 'utf8'),
) as Fixture;

/** Sums of statistics over examples. */
export function sum(statistics: readonly (readonly number[])[]): number[] {
  return statistics.reduce<number[]>((sums, row) => row.map((value, i) => value + (sums[i] ?? 0)), []);
}

/** Texts of few words, so that n-grams are shared. */
export const someText = fc
  .array(fc.constantFrom('the', 'cat', 'sat', 'on', 'a', 'mat', '.', '3.5', "isn't"), { maxLength: 12 })
  .map((words) => words.join(' '));

export const someExamples = fc.array(
  fc.record({ text: someText, references: fc.array(someText, { minLength: 1, maxLength: 3 }) }),
  { minLength: 1, maxLength: 6 },
);
