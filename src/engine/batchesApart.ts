import { permutation, randomStream } from '../random.js';
import type { EncodedExample } from './batch.js';

/** Orders that are tried for an epoch before that of the first one is taken again. */
const orders = 8;

/** Batches in which no two examples share a key, as sentence-transformers' NoDuplicatesBatchSampler makes them. */
export interface BatchesApart {
  /** Batches of every epoch: as few as the examples allow. */
  readonly count: number;
  /** Every example once; the same seed and epoch give the same batches. */
  of(epoch: number): EncodedExample[][];
}

/**
 * Deals examples to batches in a random order, each to the next that has room and none of its keys, so that batches are of
 * about one size. An epoch has as many batches as the first one needed: a step stands for the same share of the data in each.
 */
export function batchesApart(
  examples: readonly EncodedExample[],
  { batchSize, seed }: { readonly batchSize: number; readonly seed: number },
): BatchesApart {
  const drawn = (epoch: number, least: number) => {
    const each = Array.from({ length: orders }, (_, attempt) => () => {
      const order = permutation(examples.length, randomStream(seed, 'data order', epoch, attempt));
      return dealt(
        Array.from(order, (i) => examples[i]!),
        batchSize,
        least,
      );
    });
    let fewest: EncodedExample[][] | undefined;
    for (const deal of each) {
      const found = deal();
      if (fewest === undefined || found.length < fewest.length) fewest = found;
      if (fewest.length === least) break;
    }
    return fewest!;
  };
  const first = drawn(0, leastBatches(examples, batchSize));
  const count = first.length;
  return {
    count,
    of(epoch) {
      const found = epoch === 0 ? first : drawn(epoch, count);
      const batches = found.length === count ? found : first;
      return Array.from(permutation(count, randomStream(seed, 'batch order', epoch)), (i) => batches[i]!);
    },
  };
}

/** The examples in batches: `least` of them, or as many more as it takes. */
function dealt(examples: readonly EncodedExample[], batchSize: number, least: number): EncodedExample[][] {
  const batches = Array.from({ length: least }, () => ({ of: [] as EncodedExample[], keys: new Set<number>() }));
  for (const [i, example] of examples.entries()) {
    const { keys = [] } = example;
    const fits = ({ of, keys: taken }: (typeof batches)[number]) =>
      of.length < batchSize && !keys.some((key) => taken.has(key));
    const inTurn = (turn: number) => batches[(i + turn) % batches.length]!;
    let turn = 0;
    while (turn < batches.length && !fits(inTurn(turn))) turn++;
    const batch = turn < batches.length ? inTurn(turn) : { of: [], keys: new Set<number>() };
    if (turn === batches.length) batches.push(batch);
    batch.of.push(example);
    for (const key of keys) batch.keys.add(key);
  }
  return batches.map(({ of }) => of);
}

/** No fewer batches can do: each has so much room, and one at most of the examples with a key. */
function leastBatches(examples: readonly EncodedExample[], batchSize: number): number {
  const counts = new Map<number, number>();
  for (const { keys = [] } of examples) for (const key of new Set(keys)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts.values()].reduce((most, count) => Math.max(most, count), Math.ceil(examples.length / batchSize));
}
