import { constant, input, ops, type Tensor } from '../graph/index.js';
import type { TaskKind } from './batch.js';
import { IGNORED_LABEL } from './labels.js';

/** The positions that language modelling reads, as a graph input int64 [rows]. */
export function labelRows(kind: TaskKind): Tensor | undefined {
  return kind === 'language' ? input('rows', 'int64', ['rows']) : undefined;
}

/** Changes of the cross-entropy of classification, in training. */
export interface LossOptions {
  /** ε: share of a target that is spread over all classes (arXiv 1512.00567, section 7). */
  readonly labelSmoothing?: number | undefined;
  /** Weight of the examples of each class; the mean is taken over the weights. */
  readonly classWeights?: readonly number[] | undefined;
}

/**
 * Mean loss of a batch, a scalar, as transformers computes it (loss/loss_utils.py), from a model's logits and the graph
 * input `labels` (see BatchLabels). Cross-entropy, but for squared error in regression. Tokens without a label count
 * for nothing, also in the mean. Question answering: the mean over start and end; padding stands in the softmax.
 */
export function taskLoss(logits: Tensor, kind: TaskKind, options: LossOptions = {}): Tensor {
  const mean = (x: Tensor) => ops.mean(x, { axes: [0], keepDims: false });
  switch (kind) {
    case 'classification':
      return classificationLoss(logits, input('labels', 'int64', ['batch']), options);
    case 'language':
      return mean(ops.crossEntropy(logits, input('labels', 'int64', ['rows'])));
    case 'regression': {
      const error = ops.sub(ops.reshape(logits, ['batch']), input('labels', 'float32', ['batch']));
      return mean(ops.mul(error, error));
    }
    case 'tokens': {
      const labels = input('labels', 'int64', ['batch*seq']);
      const ignored = ops.cast(constant(IGNORED_LABEL), 'int64');
      const counted = ops.cast(ops.greater(labels, ignored), 'float32');
      const total = ops.sum(ops.crossEntropy(logits, labels, IGNORED_LABEL), { axes: [0], keepDims: false });
      return ops.div(total, ops.sum(counted, { axes: [0], keepDims: false }));
    }
    case 'span': {
      const ends = ops.transpose(ops.reshape(logits, ['batch', 'seq', 2]), [0, 2, 1]);
      const hit = ops.mul(ops.logSoftmax(ends), input('labels', 'float32', ['batch', 2, 'seq']));
      const total = ops.sum(hit, { axes: [0, 1, 2], keepDims: false });
      return ops.neg(ops.div(total, ops.scale(ops.size('batch'), 2)));
    }
  }
}

/**
 * Σ wᵢ ((1 − ε) nllᵢ) + ε/C ΣᵢΣ_c w_c (−log pᵢ_c), both over Σ wᵢ, wᵢ being the weight of the label's class: PyTorch's
 * cross_entropy with `weight` and `label_smoothing`.
 */
function classificationLoss(logits: Tensor, labels: Tensor, { labelSmoothing = 0, classWeights }: LossOptions): Tensor {
  const all = (x: Tensor) => ops.sum(x, { axes: x.shape.map((_, axis) => axis), keepDims: false });
  const nll = ops.crossEntropy(logits, labels);
  if (labelSmoothing === 0 && classWeights === undefined) return ops.mean(nll, { axes: [0], keepDims: false });
  const classes = logits.shape[1] as number;
  const weights = constant(Float32Array.from(classWeights ?? new Array<number>(classes).fill(1)), [classes]);
  const ofLabels = ops.reshape(ops.gather(ops.reshape(weights, [classes, 1]), labels), ['batch']);
  const spread = ops.neg(all(ops.mul(ops.logSoftmax(logits), weights)));
  const total = ops.add(
    ops.scale(all(ops.mul(nll, ofLabels)), 1 - labelSmoothing),
    ops.scale(spread, labelSmoothing / classes),
  );
  return ops.div(total, all(ofLabels));
}
