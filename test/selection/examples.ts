import type { EncodedExample } from '../../src/engine/batch.js';
import { randomStream } from '../../src/random.js';

/** Sentences of random ids, for the tiny BERT, in three classes that one of the ids tells. */
export function examples(count: number, name: string): EncodedExample[] {
  const stream = randomStream(3, name);
  return Array.from({ length: count }, (_, index) => {
    const label = index % 3;
    const ids = Array.from({ length: 5 + stream.integer(4) }, () => 20 + stream.integer(150));
    ids[2] = 10 + label;
    return { inputIds: Int32Array.from(ids), tokenTypeIds: new Int32Array(ids.length), label, index };
  });
}
