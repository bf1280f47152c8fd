import type { BatchLabels, EncodedExample, TaskKind } from './batch.js';

/** What the loss leaves out, as in PyTorch. */
export const IGNORED_LABEL = -100;

/**
 * Labels of a padded batch (see {@link BatchLabels}).
 * @returns undefined when a row has no label of this kind
 */
export function batchLabels(
  examples: readonly EncodedExample[],
  sequenceLength: number,
  kind: TaskKind,
): BatchLabels | undefined {
  switch (kind) {
    case 'classification':
    case 'regression': {
      const labels = examples.flatMap(({ label }) => (label === undefined ? [] : [label]));
      if (labels.length < examples.length) return undefined;
      const data = kind === 'regression' ? Float32Array.from(labels) : BigInt64Array.from(labels, BigInt);
      return { data, shape: [labels.length] };
    }
    case 'tokens':
    case 'language': {
      const data = new BigInt64Array(examples.length * sequenceLength).fill(BigInt(IGNORED_LABEL));
      for (const [row, { tokenLabels }] of examples.entries()) {
        if (tokenLabels === undefined) return undefined;
        data.set(BigInt64Array.from(tokenLabels, BigInt), row * sequenceLength);
      }
      return kind === 'tokens' ? { data, shape: [data.length] } : labelledRows(data);
    }
    case 'span': {
      const data = new Float32Array(examples.length * 2 * sequenceLength);
      for (const [row, { span }] of examples.entries()) {
        if (span === undefined) return undefined;
        for (const [end, position] of span.entries()) data[(row * 2 + end) * sequenceLength + position] = 1;
      }
      return { data, shape: [examples.length, 2, sequenceLength] };
    }
  }
}

function labelledRows(labels: BigInt64Array): BatchLabels {
  const rows: bigint[] = [];
  const data: bigint[] = [];
  for (const [row, label] of labels.entries()) {
    if (label === BigInt(IGNORED_LABEL)) continue;
    rows.push(BigInt(row));
    data.push(label);
  }
  return { data: BigInt64Array.from(data), shape: [data.length], rows: BigInt64Array.from(rows) };
}
