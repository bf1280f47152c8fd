import type { ExampleRow } from '../../src/index.js';

/** Forty examples of two classes in words of the tiny model's vocabulary. */
export const reviews: readonly ExampleRow[] = Array.from({ length: 20 }, (_, i) => [
  { text: `no, thanks ${i}`, label: 'bad' },
  { text: `the cat sat on the mat ${i}`, label: 'good' },
]).flat();

/** Settings of a training over {@link reviews} that takes less than a second. */
export const quick = { rank: 2, epochs: 2, batchSize: 8, maxLength: 16, searchSteps: 5, lr: 0.01, threads: 1 } as const;
