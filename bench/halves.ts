import { splitHalves } from '../src/data/stratify.js';
import type { EncodedExample } from '../src/engine/batch.js';
import type { Halves } from '../src/selection/search.js';

/** Halves of examples to select modules on, by a seed. */
export function halvesBy(examples: readonly EncodedExample[]): (seed: number) => Halves {
  return (seed) => {
    const { first, second } = splitHalves(examples, seed);
    return { train: first, validation: second };
  };
}
