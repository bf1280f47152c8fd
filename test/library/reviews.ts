import type { ExampleRow } from '../../src/index.js';

/** Forty examples of two classes in words of the tiny model's vocabulary. */
export const reviews: readonly ExampleRow[] = Array.from({ length: 20 }, (_, i) => [
  { text: `no, thanks ${i}`, label: 'bad' },
  { text: `the cat sat on the mat ${i}`, label: 'good' },
]).flat();

/** Settings of a training over {@link reviews} that takes less than a second, where nothing is chosen. */
export const quickTraining = { rank: 2, epochs: 2, batchSize: 8, maxLength: 16, lr: 0.01, threads: 1 } as const;

/** The same with a search. */
export const quick = { ...quickTraining, searchSteps: 5 } as const;

/** The search alone. */
export const quickSearch = { rank: 2, batchSize: 8, maxLength: 16, searchSteps: 5, lr: 0.01, threads: 1 } as const;
