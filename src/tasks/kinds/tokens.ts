import { IGNORED_LABEL, tokenLabels } from '../../engine/labels.js';
import type { Objective } from '../../engine/objective.js';
import { constant, input, ops } from '../../graph/index.js';

/** Cross-entropy of a class for each token, tokens without a label left out, also of the mean. */
export const tokensObjective: Objective = {
  labels: tokenLabels,
  reads: 'all',
  parts: 'apart',
  weight: ({ labels }) => (labels!.data as BigInt64Array).filter((label) => label !== BigInt(IGNORED_LABEL)).length,
  loss(logits) {
    const labels = input('labels', 'int64', ['batch*seq']);
    const ignored = ops.cast(constant(IGNORED_LABEL), 'int64');
    const counted = ops.cast(ops.greater(labels, ignored), 'float32');
    const total = ops.sum(ops.crossEntropy(logits, labels, IGNORED_LABEL), { axes: [0], keepDims: false });
    return ops.div(total, ops.sum(counted, { axes: [0], keepDims: false }));
  },
};
