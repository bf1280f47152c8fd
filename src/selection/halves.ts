import { splitHalves } from '../data/stratify.js';
import type { EncodedExample } from '../engine/batch.js';
import type { Halves } from './search.js';

/** The halves of training data that weights and matrix learn on. Windows of one example stay together. */
export function halvesOf(train: readonly EncodedExample[], seed: number): Halves {
  const leading = train.filter(({ index }, i) => i === 0 || index !== train[i - 1]!.index);
  const { first } = splitHalves(leading, seed);
  const inFirst = new Set(first.map(({ index }) => index));
  return {
    train: train.filter(({ index }) => inFirst.has(index)),
    validation: train.filter(({ index }) => !inFirst.has(index)),
  };
}
