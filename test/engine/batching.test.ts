import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate, evaluationBatches, trainingBatches } from '../../src/engine/batching.js';
import { encodeSplit } from '../../src/tasks/encoding/encodeTexts.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { objectives } from '../objectives.js';
import { REPOSITORY } from '../shared.js';

function withLengths(lengths: readonly number[]): EncodedExample[] {
  return lengths.map((length, index) => ({
    inputIds: Int32Array.from({ length }, (_, i) => index + i),
    tokenTypeIds: Int32Array.from({ length }, (_, i) => (i > 1 ? 1 : 0)),
    label: index % 2,
    index,
  }));
}
const indices = (batches: readonly (readonly EncodedExample[])[]) =>
  batches.map((batch) => batch.map(({ index }) => index));

describe('encodeSplit', () => {
  const examples = [
    { id: '1', text: 'the cat', label: 1 },
    { id: '2', text: 'the cat sat on the mat', pair: 'the dog', label: 0 },
    { id: '3', text: 'the '.repeat(30) },
  ];

  it('warns once, with the count, when examples are cut', async () => {
    const tokenizer = await loadTokenizer(join(REPOSITORY, 'test/fixtures/tiny-tokenizer'));
    const warnings: string[] = [];
    const encoded = await encodeSplit(tokenizer, examples, { maxLength: 8, warn: (message) => warnings.push(message) });
    expect(warnings).toEqual(['2 of 3 examples are longer than 8 tokens and were cut to that length.']);
    expect(encoded.map(({ inputIds }) => inputIds.length)).toEqual([4, 8, 8]);
    expect(encoded.map(({ label }) => label)).toEqual([1, 0, undefined]);
    expect(encoded.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  it('is silent when nothing is cut', async () => {
    const tokenizer = await loadTokenizer(join(REPOSITORY, 'test/fixtures/tiny-tokenizer'));
    const warnings: string[] = [];
    await encodeSplit(tokenizer, examples, { maxLength: 64, warn: (message) => warnings.push(message) });
    expect(warnings).toEqual([]);
  });
});

describe('trainingBatches', () => {
  const encoded = withLengths(Array.from({ length: 1003 }, (_, i) => 3 + ((i * 37) % 60)));
  const options = { batchSize: 8, seed: 5, epoch: 0 };

  it('has every example exactly once, and one smaller batch', () => {
    const batches = trainingBatches(encoded, options);
    expect(batches).toHaveLength(126);
    expect(
      indices(batches)
        .flat()
        .sort((a, b) => a - b),
    ).toEqual(encoded.map(({ index }) => index));
    expect(batches.filter((batch) => batch.length !== 8).map((batch) => batch.length)).toEqual([3]);
  });

  it('is the same for the same seed and epoch, and another for another', () => {
    const batches = indices(trainingBatches(encoded, options));
    expect(indices(trainingBatches(encoded, options))).toEqual(batches);
    expect(indices(trainingBatches(encoded, { ...options, epoch: 1 }))).not.toEqual(batches);
    expect(indices(trainingBatches(encoded, { ...options, seed: 6 }))).not.toEqual(batches);
  });

  it('pads far less than random batches would, without giving lengths an order', () => {
    const batches = trainingBatches(encoded, options);
    const longest = batches.map((batch) => Math.max(...batch.map(({ inputIds }) => inputIds.length)));
    const cells = longest.reduce((sum, length, i) => sum + length * batches[i]!.length, 0);
    const tokens = encoded.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    expect(cells / tokens).toBeLessThan(1.12);
    expect(longest).not.toEqual([...longest].sort((a, b) => a - b));
  });

  it('gives no batches for no examples, and refuses a batch size of zero', () => {
    expect(trainingBatches([], options)).toEqual([]);
    expect(() => trainingBatches(encoded, { ...options, batchSize: 0 })).toThrow(/batch size 0/);
  });
});

describe('evaluationBatches', () => {
  it('sorts by length and keeps equals in order', () => {
    expect(indices(evaluationBatches(withLengths([5, 3, 5, 3, 4]), { batchSize: 2 }))).toEqual([[1, 3], [4, 0], [2]]);
  });
});

describe('collate', () => {
  it('pads to the longest row, and masks the padding', () => {
    const batch = collate(withLengths([2, 3]), 9, objectives.classification);
    expect([batch.batchSize, batch.sequenceLength]).toEqual([2, 3]);
    expect([...batch.inputIds]).toEqual([0n, 1n, 9n, 1n, 2n, 3n]);
    expect([...batch.attentionMask]).toEqual([1n, 1n, 0n, 1n, 1n, 1n]);
    expect([...batch.tokenTypeIds]).toEqual([0n, 0n, 0n, 0n, 0n, 1n]);
    expect(batch.labels).toEqual({ data: BigInt64Array.of(0n, 1n), shape: [2] });
    expect(batch.indices).toEqual([0, 1]);
  });

  it('gives scores for regression, and no labels where a row has none', () => {
    const [first, second] = withLengths([2, 3]);
    const scored = collate([{ ...first!, label: 2.5 }], 0, objectives.regression);
    expect(scored.labels).toEqual({ data: Float32Array.of(2.5), shape: [1] });
    const partly = collate([first!, { ...second!, label: undefined }], 0, objectives.classification);
    expect(partly.labels).toBeUndefined();
  });

  it('pads labels of tokens with -100', () => {
    const [first, second] = withLengths([2, 3]);
    const rows = [
      { ...first!, tokenLabels: Int32Array.of(1, -100) },
      { ...second!, tokenLabels: Int32Array.of(0, 2, 1) },
    ];
    const data = BigInt64Array.of(1n, -100n, -100n, 0n, 2n, 1n);
    expect(collate(rows, 0, objectives.tokens).labels).toEqual({ data, shape: [6] });
    expect(collate([rows[0]!, second!], 0, objectives.tokens).labels).toBeUndefined();
  });

  it('gives language modelling the labelled positions and their next tokens alone', () => {
    const [first, second] = withLengths([2, 3]);
    const rows = [
      { ...first!, tokenLabels: Int32Array.of(7, -100) },
      { ...second!, tokenLabels: Int32Array.of(-100, 8, 9) },
    ];
    expect(collate(rows, 0, objectives.language).labels).toEqual({
      data: BigInt64Array.of(7n, 8n, 9n),
      shape: [3],
      rows: BigInt64Array.of(0n, 4n, 5n),
    });
  });

  it('marks the first and the last token of an answer', () => {
    const [first, second] = withLengths([2, 3]);
    const rows = [
      { ...first!, span: [1, 1] as const },
      { ...second!, span: [0, 2] as const },
    ];
    const data = Float32Array.of(0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1);
    expect(collate(rows, 0, objectives.span).labels).toEqual({ data, shape: [2, 2, 3] });
  });
});
