import { describe, expect, it } from 'vitest';
import type { EncodedExample } from '../../src/engine/batch.js';
import { batchesApart } from '../../src/engine/batchesApart.js';
import { collate, rowsOf, tokensOf } from '../../src/engine/batching.js';
import { BatchStream, stepsPerEpochOf } from '../../src/engine/batchStream.js';
import { WorkDone } from '../../src/engine/work.js';
import { vectorObjective } from '../../src/tasks/embedding/losses.js';

const text = (length: number, first: number): EncodedExample => ({
  inputIds: Int32Array.from({ length }, (_, i) => first + i),
  tokenTypeIds: new Int32Array(length),
  label: undefined,
  index: 0,
});
const keyed = (keys: readonly (readonly number[])[]): EncodedExample[] =>
  keys.map((own, index) => ({ ...text(2, 1), index, keys: own, further: [text(3, 5)] }));

describe('batches of which no two examples share a key', () => {
  // Queries 0, 1, … of which each fourth shares its passage with the three before it.
  const examples = keyed(Array.from({ length: 50 }, (_, i) => [i, 100 + Math.floor(i / 4)]));
  const apart = batchesApart(examples, { batchSize: 8, seed: 1 });

  it('hold every example once in every epoch, in as many batches as there have to be', () => {
    expect(apart.count).toBe(Math.ceil(50 / 8));
    for (const epoch of [0, 1, 2]) {
      const batches = apart.of(epoch);
      expect(batches).toHaveLength(apart.count);
      const indices = batches.flat().map(({ index }) => index);
      expect(indices.sort((a, b) => a - b)).toEqual(examples.map((_, i) => i));
      for (const batch of batches) {
        const keys = batch.flatMap((one) => one.keys!);
        expect(new Set(keys).size).toBe(keys.length);
        expect(batch.length).toBeLessThanOrEqual(8);
        expect(batch.length).toBeGreaterThanOrEqual(5);
      }
    }
  });

  it('are the same for a seed and an epoch, and others for others', () => {
    const again = batchesApart(examples, { batchSize: 8, seed: 1 });
    expect(again.of(1)).toEqual(apart.of(1));
    expect(apart.of(2)).not.toEqual(apart.of(1));
    expect(batchesApart(examples, { batchSize: 8, seed: 2 }).of(1)).not.toEqual(apart.of(1));
  });

  it('are more where a key stands in more examples than there would be batches', () => {
    const crowded = keyed([
      ...Array.from({ length: 5 }, (_, i) => [i, 99]),
      ...Array.from({ length: 5 }, (_, i) => [9 + i]),
    ]);
    expect(stepsPerEpochOf(crowded, { batchSize: 10, seed: 1 })).toBe(5);
    expect(stepsPerEpochOf(keyed([[1], [2]]), { batchSize: 10, seed: 1 })).toBe(1);
  });
});

describe('examples of several texts', () => {
  const example: EncodedExample = { ...text(2, 1), index: 4, further: [text(5, 10), text(1, 20)] };
  const other: EncodedExample = { ...text(3, 30), index: 7, further: [text(2, 40), text(2, 50)] };

  it('have a row for each text, column by column, and are counted as examples', () => {
    const batch = collate([example, other], 0, vectorObjective('MultipleNegativesRankingLoss', {}));
    expect(batch).toMatchObject({ batchSize: 6, sequenceLength: 5, indices: [4, 7] });
    const firsts = Array.from({ length: 6 }, (_, row) => Number(batch.inputIds[row * 5]));
    expect(firsts).toEqual([1, 30, 10, 40, 20, 50]);
    expect(batch.rows).toEqual(rowsOf([example, other]));
    expect(batch.labels).toEqual({ data: Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0), shape: [2, 4] });
    const work = new WorkDone();
    work.add(batch);
    expect(work).toMatchObject({ examples: 2, tokens: 15 });
    expect(tokensOf([example, other])).toBe(15);
  });

  it('count with all of their rows in the largest batch', () => {
    const objective = vectorObjective('TripletLoss', {});
    const stream = new BatchStream([example, other], { batchSize: 8, seed: 1, padTokenId: 0, objective });
    expect(stream.largest).toMatchObject({ batch: 6, seq: 5, examples: 2 });
    expect(stream.partsAt(0, 2).map(({ batchSize, indices }) => [batchSize, indices.length])).toEqual([[6, 2]]);
  });

  it('are left out of the columns that they have no text for', () => {
    const single = { ...text(2, 1), index: 9 };
    expect(rowsOf([single, example])).toEqual([single, example, ...example.further!]);
  });
});
