import type { BatchLabels, EncodedExample } from './batch.js';
import { longestTarget } from './batching.js';

/** What the loss leaves out, as in PyTorch. */
export const IGNORED_LABEL = -100;

/**
 * The label of each token of a padded batch, -100 for none: [batch*seq], or [batch*target] of texts that are written; undefined
 * when a row has none.
 */
export function tokenLabels(examples: readonly EncodedExample[], sequenceLength: number): BatchLabels | undefined {
  const length = longestTarget(examples) || sequenceLength;
  const data = new BigInt64Array(examples.length * length).fill(BigInt(IGNORED_LABEL));
  for (const [row, { tokenLabels: labels }] of examples.entries()) {
    if (labels === undefined) return undefined;
    data.set(BigInt64Array.from(labels, BigInt), row * length);
  }
  return { data, shape: [data.length] };
}

/** Those of {@link tokenLabels} that are labelled: classes [rows], and their positions `rows` in what that has. */
export function labelledRows(examples: readonly EncodedExample[], sequenceLength: number): BatchLabels | undefined {
  const all = tokenLabels(examples, sequenceLength);
  if (all === undefined) return undefined;
  const rows: bigint[] = [];
  const data: bigint[] = [];
  for (const [row, label] of (all.data as BigInt64Array).entries()) {
    if (label === BigInt(IGNORED_LABEL)) continue;
    rows.push(BigInt(row));
    data.push(label);
  }
  return { data: BigInt64Array.from(data), shape: [data.length], rows: BigInt64Array.from(rows) };
}

/** Tokens of an example that are labelled. */
export function countLabelled(labels: Int32Array | undefined): number {
  return labels?.reduce((count, label) => count + (label === IGNORED_LABEL ? 0 : 1), 0) ?? 0;
}
