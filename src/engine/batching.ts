import { permutation, randomStream } from '../random.js';
import type { Batch, EncodedExample } from './batch.js';
import type { Objective } from './objective.js';

/** Batches whose rows are sorted together by length: enough to save padding, few enough to stay random. */
const BATCHES_PER_BUCKET = 16;

/**
 * The rows of a batch: texts of the examples, column by column, so that all first texts stand before all second ones. Examples
 * with fewer texts are left out of the later columns.
 */
export function rowsOf(examples: readonly EncodedExample[]): readonly EncodedExample[] {
  const columns = furtherOf(examples);
  if (columns === 0) return examples;
  return Array.from({ length: columns + 1 }, (_, column) =>
    examples.flatMap((example) => (column === 0 ? example : (example.further?.[column - 1] ?? []))),
  ).flat();
}

/** The texts of examples, each by itself. */
export function textsOf(examples: readonly EncodedExample[]): readonly EncodedExample[] {
  return examples.flatMap((example) => rowsOf([example])).map(({ further: _, ...text }) => text);
}

/** The most further texts that an example has. */
export function furtherOf(examples: readonly EncodedExample[]): number {
  return examples.reduce((most, { further = [] }) => Math.max(most, further.length), 0);
}

/** Tokens of the longest text of an example. */
export function lengthOf({ inputIds, further = [] }: EncodedExample): number {
  return further.reduce((longest, one) => Math.max(longest, one.inputIds.length), inputIds.length);
}

/**
 * The batches of one epoch, rows of like length together: shuffle, sort within buckets of 16 batches, shuffle the
 * batches. Every example comes exactly once; one batch is smaller where the numbers do not divide. The same seed and
 * epoch give the same batches.
 */
export function trainingBatches(
  encoded: readonly EncodedExample[],
  options: { readonly batchSize: number; readonly seed: number; readonly epoch: number },
): EncodedExample[][] {
  const { batchSize, seed, epoch } = options;
  const order = permutation(encoded.length, randomStream(seed, 'data order', epoch));
  const batches: EncodedExample[][] = [];
  for (let start = 0; start < order.length; start += batchSize * BATCHES_PER_BUCKET) {
    const bucket = Array.from(order.subarray(start, start + batchSize * BATCHES_PER_BUCKET), (i) => encoded[i]!);
    batches.push(...inBatches(sortedByLength(bucket), batchSize));
  }
  return Array.from(permutation(batches.length, randomStream(seed, 'batch order', epoch)), (i) => batches[i]!);
}

/** Batches for scoring: all examples by length, shortest first; `indices` of a batch lead back to the split's order. */
export function evaluationBatches(
  encoded: readonly EncodedExample[],
  options: { readonly batchSize: number },
): EncodedExample[][] {
  return inBatches(sortedByLength(encoded), options.batchSize);
}

/**
 * Pads a batch to its longest row and lays it out as the model's inputs.
 *
 * @param objective lays the labels out; left out, or with an unlabelled row, the batch has none
 * @param length tokens of a row where the longest has fewer
 * @param whole the batch that the examples are a part of
 */
export function collate(
  examples: readonly EncodedExample[],
  padTokenId: number,
  objective?: Pick<Objective, 'labels'>,
  length = 0,
  whole: readonly EncodedExample[] = examples,
): Batch {
  const rows = rowsOf(examples);
  const { sequenceLength, ...inputs } = padded(rows, padTokenId, length);
  const labels = objective?.labels(examples, sequenceLength, whole);
  return { ...inputs, sequenceLength, labels, indices: examples.map(({ index }) => index), rows };
}

/** A batch of single texts, whatever further ones their examples have. */
export function collateTexts(texts: readonly EncodedExample[], padTokenId: number): Batch {
  return { ...padded(texts, padTokenId, 0), labels: undefined, indices: texts.map(({ index }) => index), rows: texts };
}

/** The inputs of the model [rows, seq], padded to the longest row and to `length` at least. */
function padded(rows: readonly EncodedExample[], padTokenId: number, length: number) {
  const batchSize = rows.length;
  const sequenceLength = rows.reduce((longest, { inputIds }) => Math.max(longest, inputIds.length), length);
  const inputIds = new BigInt64Array(batchSize * sequenceLength).fill(BigInt(padTokenId));
  const attentionMask = new BigInt64Array(batchSize * sequenceLength);
  const tokenTypeIds = new BigInt64Array(batchSize * sequenceLength);
  for (const [row, example] of rows.entries()) {
    for (let i = 0; i < example.inputIds.length; i++) {
      const at = row * sequenceLength + i;
      inputIds[at] = BigInt(example.inputIds[i]!);
      attentionMask[at] = 1n;
      tokenTypeIds[at] = BigInt(example.tokenTypeIds[i]!);
    }
  }
  return { batchSize, sequenceLength, inputIds, attentionMask, tokenTypeIds, ...targetsOf(rows, padTokenId) };
}

/** What a decoder beside the encoder reads, padded on the right, where none of its tokens looks. */
function targetsOf(rows: readonly EncodedExample[], padTokenId: number): Pick<Batch, 'targetIds'> {
  const length = longestTarget(rows);
  if (length === 0) return {};
  const targetIds = new BigInt64Array(rows.length * length).fill(BigInt(padTokenId));
  for (const [row, { targetIds: own = [] }] of rows.entries()) {
    for (const [i, id] of own.entries()) targetIds[row * length + i] = BigInt(id);
  }
  return { targetIds };
}

/** Tokens of examples in all of their texts, those that are written and special ones counted and padding not. */
export function tokensOf(examples: readonly EncodedExample[]): number {
  return examples.reduce(
    (sum, { inputIds, targetIds, further = [] }) =>
      sum + inputIds.length + (targetIds?.length ?? 0) + tokensOf(further),
    0,
  );
}

/** Tokens of the longest text that a decoder beside the encoder reads; 0 where there is none. */
export function longestTarget(examples: readonly EncodedExample[]): number {
  return examples.reduce((longest, { targetIds }) => Math.max(longest, targetIds?.length ?? 0), 0);
}

/** Stable: equal lengths keep their order. */
function sortedByLength(examples: readonly EncodedExample[]): EncodedExample[] {
  return [...examples].sort((a, b) => lengthOf(a) - lengthOf(b));
}

function inBatches<T>(items: readonly T[], batchSize: number): T[][] {
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new Error(`batch size ${batchSize} is not a positive integer`);
  return Array.from({ length: Math.ceil(items.length / batchSize) }, (_, i) =>
    items.slice(i * batchSize, (i + 1) * batchSize),
  );
}
